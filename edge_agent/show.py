"""How commands print: one console for tables, one line per error, ``--json`` for programs. Holds no facts of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from edge_agent.errors import Problem

# Where output goes to a file or a pipe there is no width; tables shouldn't be cut to a terminal's.
PIPE_WIDTH = 180


def console() -> Console:
    """For stdout. Names and messages are data: no markup, no guessed colours."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def complain(lines: Iterable[object]) -> None:
    """Errors, a line each, on stderr."""
    for line in lines:
        print(f"edge-agent: {line}", file=sys.stderr)


def problems_json(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [asdict(problem) for problem in problems]
