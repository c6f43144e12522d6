"""Every metric once, and the equation they satisfy.

    received = forwarded + answered + dropped + waiting

Each datagram that the engine reads ends in exactly one of the first three, or
waits to be verified, so a message that got lost inside shows up as arithmetic. What a verdict cost or
which rule gave it is told by ``verdicts_total``, whose sum is ``received``.

The names are those of the exposition, without the prefix, and stay stable once
shipped. Never counts anything itself: the engine's threads do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

PREFIX = "edge_agent_"


class Metric(NamedTuple):
    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    help: str


METRICS: tuple[Metric, ...] = (
    Metric("received_total", "counter", (), "Datagrams read from the listeners."),
    Metric("forwarded_total", "counter", (), "Datagrams sent on to a peer."),
    Metric("answered_total", "counter", (), "Requests that the agent answered itself."),
    Metric("dropped_total", "counter", (), "Datagrams that ended here without an answer."),
    Metric("waiting", "gauge", (), "INVITEs that wait to be verified or signed."),
    Metric("requests_total", "counter", ("transport", "method"), "Requests received, by method."),
    Metric("verdicts_total", "counter", ("action", "rule", "reason", "peer"), "Verdicts, by what was done and why."),
    Metric("monitored_total", "counter", ("rule", "peer"), "Findings of rules in monitor mode."),
    Metric("emergency_calls_total", "counter", ("result",), "Verdicts of the emergency lane, by reason."),
    Metric(
        "identity_verifications_total",
        "counter",
        ("result",),
        "Calls whose Identity headers were verified, by what they came to.",
    ),
    Metric("calls_signed_total", "counter", (), "Calls that got an Identity header here."),
    Metric(
        "certificates_total", "counter", ("what",), "Certificates fetched, failed, kept though stale, not asked for."
    ),
    Metric("bans", "gauge", (), "Networks that are banned."),
    Metric("bans_total", "counter", ("what",), "Bans begun, lifted and ended, and those not made."),
    Metric("kernel_dropped_packets_total", "counter", (), "Packets of banned networks that the kernel dropped."),
    Metric("calls", "gauge", ("trunk", "direction"), "Calls that are up or ring, by leases; a restart forgets them."),
    Metric("table_entries", "gauge", ("table",), "Live entries of a state table."),
    Metric("table_evictions_total", "counter", ("table",), "Entries that gave way to others before their time."),
    Metric("table_bytes", "gauge", ("table",), "Memory of a state table, fixed at start."),
    Metric("upstream_up", "gauge", ("upstream", "target"), "1 while the target answers its probes, or has none."),
    Metric(
        "overload_level", "gauge", ("worker",), "0: nothing is shed; 1: requests that open no call; 2: new calls too."
    ),
    Metric("webhook_notifications_total", "counter", ("what",), "Notifications sent, failed attempts, summed, lost."),
    Metric("webhook_waiting", "gauge", (), "Notifications of emergency calls that wait to be sent."),
    Metric("ring_dropped_total", "counter", ("ring",), "Records that found their ring full."),
    Metric(
        "unread_total",
        "counter",
        ("listener", "queue"),
        "Datagrams that found a listener's queue full; received doesn't count them.",
    ),
    Metric("send_errors_total", "counter", (), "Datagrams that the kernel refused to send; they count as sent."),
    Metric("build_info", "gauge", ("version",), "Always 1; the label is the release."),
)


class Balance(NamedTuple):
    """The equation of this file, with its five numbers."""

    received: int
    forwarded: int
    answered: int
    dropped: int
    waiting: int

    @property
    def missing(self) -> int:
        """Messages that no counter accounts for. Anything but 0 at rest is a bug."""
        return self.received - self.forwarded - self.answered - self.dropped - self.waiting


def balance(counters: Mapping[str, Any]) -> Balance:
    return Balance(*(int(counters[name]) for name in Balance._fields))


def emergency_calls(by_verdict: Mapping[tuple[str, str, str, str], int]) -> dict[str, int]:
    """``emergency_calls_total``: reason -> verdicts of the lane."""
    result: dict[str, int] = {}
    for (_, rule, reason, _), count in by_verdict.items():
        if rule == "emergency":
            result[reason] = result.get(reason, 0) + count
    return result
