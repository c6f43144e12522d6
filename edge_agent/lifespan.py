"""Settings that only a new start can change: what a reload keeps of them, and what it says about it.

A process has bound its sockets, faulted in its tables and read its key. A reload
that changes such a setting goes through for all others; this one stays as it
runs, in the new policy too, so that the policy always fits the process.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from edge_agent.policy.section import START
from edge_agent.policy.settings import Settings, is_array, section_of

# Reloads in all other respects, but the engine takes its secret when it is made.
HELD_BY_THE_ENGINE = {"keys": ["dialog"]}


def keep_running(running: Settings, written: Settings) -> tuple[Settings, list[str]]:
    """``written`` with the start settings of ``running``; and the keys that were changed in vain."""
    kept: dict[str, Any] = {}
    keys: list[str] = []
    for name in Settings.model_fields:
        if name == "rules":
            continue
        before, after = getattr(running, name), getattr(written, name)
        fields = _start_fields(section_of(name)) + HELD_BY_THE_ENGINE.get(name, [])
        if not fields or before == after:
            continue
        if is_array(name):
            # Its entries have no identity of their own: it stays as a whole.
            kept[name] = before
            keys.append(name)
        else:
            changed = {
                field: getattr(before, field) for field in fields if getattr(before, field) != getattr(after, field)
            }
            kept[name] = after.model_copy(update=changed)
            keys += [f"{name}.{field}" for field in changed]
    return written.model_copy(update=kept), keys


def _start_fields(model: type[BaseModel]) -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("life") == START:
            names.append(name)
    return names
