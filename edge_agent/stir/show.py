"""The result of ``stir verify``, and the certificates of a running agent, for people. Holds no facts of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def render(result: dict[str, Any]) -> RenderableType:
    """What was compared, each header with its fault, and what they come to."""
    table = Table("header", "certificate", "result", "detail")
    for number, header in enumerate(result["headers"], 1):
        table.add_row(f"{number} {header['ppt'] or 'plain'}", header["info"], header["reason"], header["detail"])
    status = f"{result['status']} {result['phrase']}: " if result["status"] else ""
    attest = f", attestation {result['attest']}" if result["attest"] else ""
    return Group(
        Text(f"caller {result['caller'] or '-'}, To {result['to'] or '-'}, called {result['called'] or '-'}"),
        table,
        Text(f"{result['verstat']}{attest} ({status}{result['sentence']})"),
    )


def render_certificates(rows: list[dict[str, Any]]) -> RenderableType:
    """A line for each URL: what it gave, who brought it, until when."""
    table = Table("url", "from", "certificate", "valid until", "asked again")
    for row in rows:
        what = row["subject"] or f"{row['reason']}: {row['detail']}"
        table.add_row(row["url"], row["origin"], what, _day(row["not_after"]), _day(row["until"]) or "never")
    return table if rows else Text("no certificates yet")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else ""
