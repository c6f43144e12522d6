"""What every table of the configuration is made of: one setting, a strict model, the mark of what isn't built. No key is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

START, RELOAD = "start", "reload"


@dataclass(frozen=True)
class NotBuilt:
    """Marks a setting that is known but does nothing yet.

    Written with a value of ``quiet`` it asks for nothing; with one of
    ``refused`` it would be unsafe to accept; else it gives a notice.
    """

    what: str
    quiet: tuple[object, ...] = ()
    refused: tuple[object, ...] = ()


def setting(default: Any, help: str, *, life: str = RELOAD, **limits: Any) -> Any:
    """One setting. ``life`` is what puts a change in force: a reload, or only a new start."""
    return Field(default, description=help, json_schema_extra={"life": life}, **limits)


REQUIRED: Any = ...


class Section(BaseModel):
    """A table of the configuration. Strict: "20" is not 20, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
