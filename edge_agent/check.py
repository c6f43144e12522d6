"""``edge-agent check``: everything that ``run`` would refuse, and what a good configuration amounts to.

Reads, compiles and tries as the daemon does, but binds nothing, makes no file
and touches no running agent.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from edge_agent import _hot
from edge_agent.errors import ConfigError, Problem, problem
from edge_agent.keys import KeyFileError, dialog_secret
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded, load
from edge_agent.policy.sections import Tables
from edge_agent.policy.swap import try_out
from edge_agent.show import problems_json
from edge_agent.systemd import credentials_directory

MIB = 2**20
BANS_MIB = 4.5  # of the ban list, whatever the configuration says
REQUESTS_MIB = 4.0  # of do-not-call requests
TOLL_MIB = 1.56  # of budgets of dear calls
EVADERS_MIB = 0.35  # of the last refusals of each source
PREFIX_BYTES = 32  # of each prefix, at most: its table is between a quarter and half full


def check(config: Path) -> dict[str, Any]:
    """The result as ``--json`` prints it. Never raises for what an operator wrote."""
    try:
        loaded = load(config)
        errors = _key_errors(loaded, config)
        try_out(compile_policy(loaded, 1))
    except ConfigError as error:
        return {"ok": False, "errors": problems_json(error.problems), "notices": []}
    if errors:
        return {"ok": False, "errors": problems_json(errors), "notices": problems_json(loaded.notices)}
    notices = [*loaded.notices, *_state_dir(loaded, config)]
    return {"ok": True, "errors": [], "notices": problems_json(notices), **_facts(loaded)}


def _key_errors(loaded: Loaded, config: Path) -> list[Problem]:
    settings = loaded.settings
    state_dir = Path(settings.agent.state_dir)
    try:
        dialog_secret(settings.keys.dialog, state_dir, credentials_directory(), time.time(), make=False)
    except KeyFileError as error:
        # Whoever checks need not be who runs: what only the agent's user may read or make is no error here.
        if not error.excusable:
            return [Problem(str(config), "keys.dialog", str(error))]
    return []


def _state_dir(loaded: Loaded, config: Path) -> list[Problem]:
    """Whoever checks need not be who runs, so this is no error."""
    path = Path(loaded.settings.agent.state_dir).absolute()
    if path.exists():
        return []
    above = next(folder for folder in path.parents if folder.exists())
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return []
    why = f"{above} can't be written" if above.is_dir() else f"{above} is no folder"
    hint = "make it for the agent's user, or name another"
    return [problem("state-dir", str(config), "agent.state_dir", path=path, why=why, hint=hint)]


def _facts(loaded: Loaded) -> dict[str, Any]:
    settings = loaded.settings
    tables = _tables(settings.tables)
    # A file that several trunks name is in memory once.
    owned = (*loaded.numbers.values(), *loaded.pilots.values())
    sets = {id(numbers): numbers for some in owned for numbers in some}
    sets |= {
        id(numbers): numbers
        for key in (loaded.do_not_originate, loaded.may_originate, loaded.nanp_unallocated, loaded.do_not_call)
        for numbers in key
    }
    lists = sum(numbers.nbytes for numbers in sets.values())
    # As read, and again in the policy with an index of 8 bytes or more an entry.
    lists += sum(3 * networks.nbytes for _, networks in loaded.networks.tables())
    prefixes = {id(table): table for table in loaded.destinations.values()}
    if loaded.toll is not None:
        prefixes[id(loaded.toll.prefixes)] = loaded.toll.prefixes
    lists += sum(PREFIX_BYTES * len(table) for table in prefixes.values())
    return {
        "files": [str(file) for file in loaded.files],
        "mode": settings.agent.mode,
        "listeners": [{"address": str(at.address), "advertise": str(at.public)} for at in settings.listen],
        "upstreams": [
            {"name": upstream.name, "targets": [str(target) for target in upstream.targets]}
            for upstream in settings.upstream
        ],
        "trunks": [
            {
                "name": trunk.name,
                "sources": [str(source) for source in trunk.sources],
                "upstream": trunk.upstream,
                "numbers": sum(len(numbers) for numbers in loaded.numbers[trunk.name]),
                "lists": len(loaded.numbers[trunk.name]),
                "calls_per_second": trunk.calls_per_second,
                "concurrent_calls": trunk.concurrent_calls,
                "emergency": trunk.emergency,
            }
            for trunk in settings.trunk
        ],
        "tables_mib": tables,
        "lists_mib": round(lists / MIB, 2),
        "budget_mib": round(sum(tables.values()) + lists / MIB, 2),
    }


def _tables(sizes: Tables) -> dict[str, float]:
    """What the engine takes for each table (``Engine.tables``), in MiB: most have a power of two of buckets."""
    leases = _whole(sizes.leases_mib / 2)
    return {
        "rates": _whole(sizes.rates_mib),
        "strikes": _whole(sizes.rates_mib) / 4,
        "bans": BANS_MIB,
        "requests": REQUESTS_MIB,
        "toll": TOLL_MIB,
        "transactions": _whole(sizes.transactions_mib),
        "callers": _whole(sizes.callers_mib),
        "behaviour": sizes.behaviour_mib,
        "deferred": sizes.deferred_mib,
        "evaders": EVADERS_MIB,
        "marks": leases,
        "leases": leases * (1 + _hot.STORY_SHARE),
    }


def _whole(mib: float) -> float:
    """The largest power of two in it."""
    return float(2 ** math.floor(math.log2(mib)))


def render(result: dict[str, Any]) -> RenderableType:
    """A good result for people."""
    files = ", ".join(result["files"])
    budgets = Table(*_folded("memory"), title="Budgets", title_justify="left")
    budgets.add_column("MiB", justify="right")
    for name, size in result["tables_mib"].items():
        budgets.add_row(f"table {name}", f"{size:g}")
    budgets.add_row("number lists", f"{result['lists_mib']:.2f}")
    budgets.add_row("together", f"{result['budget_mib']:.2f}", style="bold")
    return Group(_trunks(result), _paths(result), budgets, Text(f"good: {files}", style="green"))


def _trunks(result: dict[str, Any]) -> Table:
    table = Table(
        *_folded("trunk", "sources", "upstream", "emergency"), title=f"Trunks ({result['mode']})", title_justify="left"
    )
    for column in ("calls/s", "calls", "lists", "numbers"):
        table.add_column(column, justify="right", overflow="fold")
    for trunk in result["trunks"]:
        table.add_row(
            trunk["name"],
            ", ".join(trunk["sources"]),
            trunk["upstream"],
            trunk["emergency"],
            f"{trunk['calls_per_second']:,.10g}",
            f"{trunk['concurrent_calls']:,}",
            str(trunk["lists"]),
            f"{trunk['numbers']:,}",
        )
    return table


def _folded(*names: str) -> Iterator[Column]:
    """Columns that a narrow terminal breaks, and never cuts: names are what people copy."""
    return (Column(name, overflow="fold") for name in names)


def _paths(result: dict[str, Any]) -> Table:
    table = Table(*_folded("kind", "name", "address"), title="Listeners and upstreams", title_justify="left")
    for listener in result["listeners"]:
        table.add_row("listen", listener["advertise"], listener["address"])
    for upstream in result["upstreams"]:
        table.add_row("upstream", upstream["name"], ", ".join(upstream["targets"]))
    return table
