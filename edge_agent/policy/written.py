"""Types and values of settings as an operator would write them, for the reference and messages. It reads nothing."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from edge_agent.policy.values import Address, Kind, write_clock, write_duration
from edge_agent.rules import Mode


def type_name(field: FieldInfo) -> str:
    return next((item.name for item in field.metadata if isinstance(item, Kind)), "") or _annotation_name(
        field.annotation
    )


def _annotation_name(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        named = next((item.name for item in args[1:] if isinstance(item, Kind)), "")
        return named or _annotation_name(args[0])
    if origin is list:
        return f"list of {_annotation_name(args[0])}"
    if origin is dict:
        return "table"
    if origin is Literal:
        return " | ".join(str(arg) for arg in args)
    if annotation == Mode | None:
        return " | ".join(Mode)
    return {str: "string", int: "integer", float: "number", bool: "true | false"}.get(annotation, str(annotation))


def default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    default = field.get_default()
    if any(isinstance(item, Kind) and item.name == "time of day" for item in field.metadata):
        return f'"{write_clock(default)}"'
    if isinstance(default, float) and any(
        isinstance(item, Kind) and item.name == "duration" for item in field.metadata
    ):
        return f'"{write_duration(default)}"'
    return to_toml(default)


def to_toml(value: object) -> str:
    """A value as it would be written in the file; "" for one that is unset."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(map(to_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{to_toml(key)} = {to_toml(item)}' for key, item in value.items())}}}"
        case Address() | IPv4Network() | IPv6Network() | str():
            return f'"{value}"'
        case _:
            raise TypeError(f"no TOML for {value!r}")
