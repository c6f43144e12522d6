"""The status report: one JSON object of what the agent is, has and did. Pure: everything comes as an argument.

Never holds a number, a Call-ID or an address of a caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent import __version__
from edge_agent.metrics import balance, emergency_calls


def report(
    *,
    name: str,
    pid: int,
    uptime: float,
    policy: Mapping[str, Any],
    peers: list[dict[str, Any]],
    upstreams: list[dict[str, Any]],
    calls: Mapping[str, Mapping[str, int]],
    counters: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, int]],
    log_lines_lost: int,
    queues: list[dict[str, Any]],
    bans: Mapping[str, Any],
    stir: Mapping[str, Any],
    webhook: Mapping[str, Any],
) -> dict[str, Any]:
    """``policy`` tells generation, file and the last reload; ``peers`` and ``upstreams`` are lists of rows.

    ``calls`` is ``Engine.calls``, ``queues`` is ``Listeners.dropped``, ``bans`` what ``Keeper.status`` says, ``stir`` what ``Stir.status``, ``webhook`` what
    ``Webhook.status``.
    """
    equation = balance(counters)
    return {
        "version": __version__,
        "name": name,
        "pid": pid,
        "uptime_seconds": round(uptime, 1),
        "policy": dict(policy),
        "peers": peers,
        "upstreams": upstreams,
        "calls": [{"trunk": trunk, **figures} for trunk, figures in calls.items()],
        "counters": {
            **equation._asdict(),
            "missing": equation.missing,
            "methods": dict(counters["methods"]),
            "verdicts": _verdicts(counters["by_verdict"]),
            "monitored": [
                {"rule": rule, "peer": peer, "count": count}
                for (rule, peer), count in sorted(counters["monitored"].items())
                if count
            ],
            "emergency": emergency_calls(counters["by_verdict"]),
            "send_errors": counters["send_errors"],
        },
        "bans": dict(bans),
        "stir": dict(stir),
        "webhook": dict(webhook),
        "tables": {table: dict(figures) for table, figures in tables.items()},
        "dropped": {
            "events": counters["events_dropped"] + counters["alerts_dropped"],
            "alerts": counters["alerts_dropped"],
            "strikes": counters["strikes_dropped"],
            "log_lines": log_lines_lost,
            "unread": queues,
        },
        "overload": list(counters["overload"]),
        "heartbeats": list(counters["heartbeats"]),
    }


def _verdicts(by_verdict: Mapping[tuple[str, str, str, str], int]) -> list[dict[str, Any]]:
    """Most frequent first; those that never happened are left out."""
    return [
        {"action": action, "rule": rule, "reason": reason, "peer": peer, "count": count}
        for (action, rule, reason, peer), count in sorted(by_verdict.items(), key=lambda item: (-item[1], item[0]))
        if count
    ]
