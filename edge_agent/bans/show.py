"""Bans for people, and durations as people write them. Never asks the daemon anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic_core import PydanticCustomError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_agent.admin.show import bans_line
from edge_agent.policy.values import read_duration


class BadDuration(ValueError):
    """The text says what to write."""


def seconds_of(written: str) -> float:
    """ "90s", "10m", "24h"."""
    try:
        return read_duration(written)
    except PydanticCustomError as error:
        raise BadDuration(f"{written!r} {error.message()}; write a number and s, m, h or d: 10m") from None


def render(reply: dict[str, Any]) -> RenderableType:
    """The reply to GET /api/bans."""
    table = Table("network", title="Bans", title_justify="left")
    for column in ("left", "times", "count"):
        table.add_column(column, justify="right")
    for column in ("who", "rule", "reason", "trunk", "since", "note"):
        table.add_column(column)
    for ban in reply["bans"]:
        table.add_row(
            ban["network"],
            str(timedelta(seconds=int(ban["seconds_left"]))),
            str(ban["times"]),
            str(ban["count"] or ""),
            ban["who"] + (", by force" if ban["forced"] else ""),
            ban["rule"],
            ban["reason"],
            ban["trunk"],
            ban["since"][:19] + "Z",
            ban["note"],
        )
    return Group(table, Text(bans_line(reply["status"])))
