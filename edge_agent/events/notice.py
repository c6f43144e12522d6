"""What is told of emergency calls: records of events, and sums of them, as notifications. Pure; it sends nothing.

A notification is flat JSON: ``event`` ("emergency-call", or "emergency-calls"
with a ``count``), ``result`` (routed, test, redirected, limited, refused),
``reason``, ``test``, ``agent``, ``trunk``, ``time``; of one call also ``caller``,
``asserted`` (another caller than From's that the call asserts, or ""), ``caller_owned``
(true: who calls is a number of the trunk), ``called``, ``call_id``, ``source``, ``method``,
``status``, ``location`` (a URI, or "") and ``location_supplied`` (true: the trunk's default one).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_agent.events.record import clean

if TYPE_CHECKING:
    from edge_agent._hot import Event

RESULTS = {
    "emergency-routed": "routed",
    "emergency-test": "test",
    "emergency-redirected": "redirected",
    "emergency-limit": "limited",
}
"""Reasons to results; any other is a refusal."""

# Recorded for who looks into it; nobody called an emergency service by it.
NO_CALL = frozenset({"emergency-callback", "emergency-to"})
CALLS = frozenset({"INVITE", "MESSAGE"})
LOCATION_LIMIT = 224


def result_of(reason: str) -> str:
    return RESULTS.get(reason, "refused")


def is_emergency(event: Event) -> bool:
    """Is the event of an emergency call, or of what would have been one?"""
    if event.lane:
        return True
    return event.rule == "emergency" and event.reason not in NO_CALL and event.finding not in NO_CALL


def of_call(event: Event, fields: Mapping[str, Any], agent: str) -> dict[str, Any] | None:
    """The notification of one call, ``fields`` being its record; None where no call was made."""
    if event.method not in CALLS and event.action == "forward" and event.reason != "emergency-redirect":
        return None
    return {
        "event": "emergency-call",
        "result": result_of(event.reason),
        "reason": event.reason,
        "test": event.lane == "test",
        "agent": agent,
        "trunk": event.peer,
        "time": fields["ts"],
        "caller": fields["caller"],
        "asserted": event.asserted,
        "caller_owned": event.caller_owned,
        "called": fields["callee"],
        "call_id": fields["call_id"],
        "source": fields["source"],
        "method": fields["method"],
        "status": event.status,
        "location": clean(event.location.uri, LOCATION_LIMIT),
        "location_supplied": event.location.supplied,
    }


def of_sum(reason: str, peer: str, count: int, agent: str, time: str) -> dict[str, Any]:
    """So many calls that were not told one by one, up to that time; ``peer`` "" is nobody's."""
    return {
        "event": "emergency-calls",
        "result": result_of(reason),
        "reason": reason,
        "test": reason == "emergency-test",
        "agent": agent,
        "trunk": peer,
        "time": time,
        "count": count,
    }
