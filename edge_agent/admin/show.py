"""The status report for people: rich tables. Never asks the daemon anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def render(status: dict[str, Any]) -> RenderableType:
    """The whole report."""
    return Group(_head(status), _verdicts(status), _calls(status), _upstreams(status), _tables(status))


def _head(status: dict[str, Any]) -> RenderableType:
    counters, policy, dropped = status["counters"], status["policy"], status["dropped"]
    uptime = timedelta(seconds=int(status["uptime_seconds"]))
    lines = [
        f"{status['name']}  edge-agent {status['version']}  pid {status['pid']}  up {uptime}",
        f"policy {policy['generation']} of {policy['loaded_at']} from {policy['file']} ({policy['mode']})",
        "peers  " + "  ".join(f"{peer['name']} ({peer['kind']})" for peer in status["peers"]),
        f"received {counters['received']} = forwarded {counters['forwarded']} + answered {counters['answered']}"
        f" + dropped {counters['dropped']} + waiting {counters['waiting']}"
        + (f"  MISSING {counters['missing']}" if counters["missing"] else ""),
        (
            f"not told: {dropped['events']} events, {dropped['strikes']} strikes, {dropped['log_lines']} log lines"
            f"   send errors: {counters['send_errors']}"
        ),
        unread_line(dropped["unread"]),
    ]
    lines.append(bans_line(status["bans"]))
    if status["stir"]["running"]:
        lines += stir_lines(status["stir"])
    if status["counters"]["emergency"] or status["webhook"]["state"] != "off":
        lines.append(emergency_line(status["counters"]["emergency"], status["webhook"]))
    text = Text("\n".join(lines))
    if policy.get("failed_reload"):
        text.append(f"\nlast reload failed, policy {policy['generation']} stays:", style="bold red")
        for error in policy["failed_reload"]:
            text.append(f"\n  {error}", style="red")
    return text


def unread_line(queues: list[dict[str, Any]]) -> str:
    """What the kernel dropped because a listener's queue was full; by listener where it dropped any."""
    known, strangers = (sum(queue[which] for queue in queues) for which in ("known", "strangers"))
    where = ", ".join(queue["address"] for queue in queues if queue["known"] or queue["strangers"])
    line = f"queues full, never read: {known} of peers, {strangers} of strangers"
    return f"{line}  at {where}" if where else line


def bans_line(bans: dict[str, Any]) -> str:
    """How many bans there are, and what the kernel makes of them."""
    kernel = bans["kernel"]
    line = f"bans {bans['live']}  banned {bans['banned']}  lifted {bans['lifted']}  ended {bans['ended']}"
    line += f"  kernel {kernel['state']}"
    if kernel.get("state") in ("on", "filling"):
        line += f": {kernel['elements']} networks, {kernel['dropped_packets']} packets dropped"
    if kernel.get("drifts"):
        line += f", drifted {kernel['drifts']} times"
    line += f"  store {bans['store']}" if bans["store"] != "on" else ""
    return line + (f"  rows not kept {bans['store_dropped']}" if bans["store_dropped"] else "")


def stir_lines(stir: dict[str, Any]) -> list[str]:
    """What became of signed calls, and of certificates."""
    calls, certificates = stir["calls"], stir["certificates"]
    verified = "  ".join(f"{name} {count}" for name, count in stir["verified"].items()) or "none"
    return [
        f"stir  {verified}  signed {calls['signed']}",
        f"stir  waiting {calls['waiting']}  queued {calls['queued']}  shed {calls['shed']}"
        f"  unavailable {calls['unavailable']}" + (f"  BUGS {calls['bugs']}" if calls["bugs"] else ""),
        (
            f"certificates  known {certificates['known']}  fetched {certificates['fetched']}  failed {certificates['failed']}"
            f"  stale {certificates['stale']}  shed {certificates['shed']}"
        ),
    ]


def emergency_line(verdicts: dict[str, int], webhook: dict[str, Any]) -> str:
    """What became of emergency calls, and whether it was told."""
    line = "  ".join(["emergency", *(f"{reason.removeprefix('emergency-')} {n}" for reason, n in verdicts.items())])
    line += f"  webhook {webhook['state']}"
    if webhook["state"] != "off":
        line += f": told {webhook['sent']}, waiting {webhook['waiting']}, lost {webhook['lost']}"
    return line


def _verdicts(status: dict[str, Any]) -> Table:
    table = Table("action", "rule", "reason", "peer", title="Verdicts", title_justify="left")
    table.add_column("count", justify="right")
    for row in status["counters"]["verdicts"]:
        table.add_row(row["action"], row["rule"], row["reason"], row["peer"], str(row["count"]))
    for row in status["counters"]["monitored"]:
        table.add_row("monitor", row["rule"], "", row["peer"], str(row["count"]), style="dim")
    return table


def _calls(status: dict[str, Any]) -> Table:
    """Those that are up or ring. Only what a trunk sends out has a limit."""
    table = Table("trunk", title="Calls", title_justify="left")
    for column in ("out", "limit", "in", "emergency"):
        table.add_column(column, justify="right")
    for row in status["calls"]:
        table.add_row(row["trunk"], *(str(row[column]) for column in ("out", "limit", "in", "emergency")))
    return table


def _upstreams(status: dict[str, Any]) -> Table:
    table = Table("upstream", "target", "state", title="Upstreams", title_justify="left")
    for row in status["upstreams"]:
        state = "not probed" if not row["probed"] else "up" if row["up"] else Text("down", style="bold red")
        table.add_row(row["upstream"], row["target"], state)
    return table


def _tables(status: dict[str, Any]) -> Table:
    table = Table("table", title="State tables", title_justify="left")
    for column in ("entries", "evictions", "MiB"):
        table.add_column(column, justify="right")
    for name, figures in status["tables"].items():
        size = f"{figures['bytes'] / 2**20:.1f}"
        table.add_row(name, str(figures["entries"]), str(figures["evictions"]), size)
    return table
