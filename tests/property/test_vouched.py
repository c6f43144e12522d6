"""What a priority token vouches for, by the engine and by a plain reading of the two lists."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.reasons import BY_NAME
from tests.agent import ACME, OWN, Agent, invite, policy
from tests.rules.vouching import TAG, with_identity

IDENTITY = "a.b.c;info=<https://cr.example.net/a.pem>"
KNOWN = {"esnet", "ets", "wps", "q735", "dsn-000001"}
NAMES = sorted(KNOWN | {"local", "etsy", "dsn-00001"})
VALUES = st.tuples(st.sampled_from(NAMES), st.sampled_from(["0", "1", "10", "flash"])).map(".".join)
CASES = st.sampled_from([str.lower, str.upper, str.title])
BLANKS = st.sampled_from(["", " ", "\t", " \r\n "])


def stays(values: list[str], auth: list[str]) -> bool:
    """Every value of a namespace that needs a right is in the list; case means nothing."""
    allowed = {one.lower() for one in auth}
    return all(one.lower() in allowed or one.partition(".")[0].lower() not in KNOWN for one in values)


@given(
    st.lists(VALUES, min_size=1, max_size=5, unique_by=lambda value: value.partition(".")[0]),
    st.lists(VALUES, max_size=8),
    CASES,
    BLANKS,
    st.booleans(),
)
def test_every_value_by_itself(
    values: list[str], auth: list[str], spelt: Callable[[str], str], blank: str, rows: bool
) -> None:
    written = [spelt(value) for value in values]
    headers = (
        [("Resource-Priority", one) for one in written]
        if rows
        else [("Resource-Priority", f"{blank},{blank}".join(written))]
    )
    at = Agent(policy(TAG))
    at.batch.clear()
    at.batch.add(bytes(with_identity(invite(OWN, *headers), IDENTITY)), ACME, 0)
    at.engine.process(at.batch, at.now, at.out)
    [one] = at.engine.deferred()
    assert at.engine.resolve(one.ticket, verstat=1, priority=auth)
    assert at.engine.resume(at.now, at.out) == 1
    sent = at.out[0][0]
    if stays(values, auth):
        assert sent.startswith(b"INVITE ") and sent.count(b"Resource-Priority:") == len(headers)
    else:
        assert sent.startswith(b"SIP/2.0 403 Resource Priority Not Authorised\r\n")


@given(st.lists(st.text(max_size=300), max_size=40))
def test_any_list_is_taken(auth: list[str]) -> None:
    """What finds no room, or is no value, vouches for nothing."""
    at = Agent(policy(TAG))
    at.batch.clear()
    at.batch.add(bytes(with_identity(invite(OWN, ("Resource-Priority", "ets.0")), IDENTITY)), ACME, 0)
    at.engine.process(at.batch, at.now, at.out)
    [one] = at.engine.deferred()
    assert at.engine.resolve(one.ticket, verstat=2, monitored=[BY_NAME["passport-signature"]], priority=auth)
    at.engine.resume(at.now, at.out)
    assert at.out[0][0].startswith(b"SIP/2.0 403 ") or "ets.0" in [value.lower() for value in auth]
