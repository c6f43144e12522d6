"""The result of ``stir verify`` for people. Holds no facts of its own."""

from __future__ import annotations

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
