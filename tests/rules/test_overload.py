"""overload: what a standing queue sheds, in which order, and what never."""

from __future__ import annotations

import socket

import pytest

from edge_agent import _hot
from tests.agent import (
    ACME,
    BETA,
    BETAS,
    CALLED,
    CLOUD,
    NOBODY,
    OWN,
    SECOND,
    Agent,
    Decision,
    MakeAgent,
    dial,
    inbound,
    invite,
    policy,
    request,
)
from tests.proxy.message import Message, response
from tests.rules.modes import check_structural

PASS, SHED = "forward pass", "503 overload"
FAST = "calls_per_second = 1000000\nburst = 1000000\nconcurrent_calls = 1000000"
OFF = "".join(f'[rules.{rule}]\nmode = "off"\n' for rule in ("caller-rate", "callee-rate"))
WINDOW = SECOND // 10


def plenty(acme: str = FAST, **parts: str) -> str:
    return policy(acme, beta=FAST, rules=OFF, **parts)


def load(party: Agent, fill: float) -> None:
    """A queue that stands so full for a window."""
    party.engine.set_load(fill, party.now)
    party.now += WINDOW
    party.engine.set_load(fill, party.now)


def level(party: Agent) -> int:
    levels: list[int] = party.engine.counters()["overload"]
    return levels[0]


def other(method: str = "OPTIONS") -> Message:
    return request(method, f"sip:{CALLED}@cloud.example.net", OWN)


# The agent's own queue


@pytest.mark.parametrize(
    ("fill", "others", "calls"),
    [(0.0, 0, 0.0), (0.3, 0, 0.0), (0.49, 0, 0.0), (0.51, 1, 0.0), (0.62, 1, 0.0)]
    + [(0.63, 1, 0.34), (0.75, 1, 0.55), (0.9, 1, 0.82), (1.0, 1, 1.0)],
)
def test_what_goes_at_which_fill(agent: MakeAgent, fill: float, others: int, calls: float) -> None:
    """Requests that open no call first, then a growing share of new calls."""
    party = agent(plenty())
    load(party, fill)
    assert set(party.burst(other, 5)) == {SHED if others else PASS}
    told = party.burst(invite, 600)
    assert set(told) <= {PASS, SHED}
    assert told.count(SHED) == pytest.approx(600 * calls, abs=0 if calls in (0.0, 1.0) else 60)


def test_a_burst_that_is_digested_sheds_nothing(agent: MakeAgent) -> None:
    """Only what stands for a whole window counts: the least fill of it."""
    party = agent(plenty())
    for _ in range(50):
        party.engine.set_load(1.0, party.now)
        party.now += WINDOW // 4
        party.engine.set_load(0.9, party.now)
        party.now += WINDOW // 4
        party.engine.set_load(0.0, party.now)
        party.now += WINDOW // 4
    assert level(party) == 0
    assert set(party.burst(invite, 50)) == {PASS}


def test_a_long_sleep_is_no_load(agent: MakeAgent) -> None:
    party = agent(plenty())
    party.engine.set_load(1.0, party.now)
    party.wait(10)
    party.engine.set_load(0.0, party.now)
    assert level(party) == 0


@pytest.mark.parametrize(
    ("fills", "levels"),
    [
        ((0.5, 0.4, 0.32, 0.31), (1, 1, 1, 0)),
        ((0.62, 0.63, 0.5, 0.44, 0.43, 0.32, 0.31), (1, 2, 2, 2, 1, 1, 0)),
        ((1.0, 0.0, 0.4, 0.6), (2, 0, 0, 1)),
        ((0.45, 0.49, 0.45), (0, 0, 0)),
    ],
)
def test_levels_are_left_lower_than_entered(
    agent: MakeAgent, fills: tuple[float, ...], levels: tuple[int, ...]
) -> None:
    party = agent(plenty())
    told = []
    for fill in fills:
        load(party, fill)
        told.append(level(party))
    assert tuple(told) == levels


def test_all_copies_of_a_call_share_its_fate(agent: MakeAgent) -> None:
    """Also when the load has changed meanwhile, and for the answer's bytes."""
    party = agent(plenty())
    load(party, 0.75)
    calls = [invite() for _ in range(60)]
    first = [party.send(call) for call in calls]
    assert {told.short for told in first} == {PASS, SHED}
    load(party, 1.0)
    for call, told in zip(calls, first, strict=True):
        again = party.send(call)
        assert again.short == ("forward retransmission" if told.short == PASS else "503 retransmission")
        if told.short == SHED:
            assert again.data == told.data
    load(party, 0.0)
    for call, told in zip(calls, first, strict=True):
        assert party.send(call).status == told.status


def test_the_same_call_draws_the_same_lot(agent: MakeAgent) -> None:
    """A resubmission (another branch and CSeq) of a call that passed passes while the load is no higher."""
    party = agent(plenty())
    load(party, 0.75)
    for _ in range(60):
        call = invite()
        told = party.send(call).short
        again = call.set("CSeq", "2 INVITE").set("Via", f"{call.one('Via')}x")
        assert party.send(again).short == told


def test_what_is_never_shed(agent: MakeAgent) -> None:
    party = agent(plenty())
    sent = invite()
    opened = party.send(sent).message
    calls = [invite() for _ in range(9)]
    for call in calls:
        party.send(call)
    load(party, 1.0)
    assert party.send(invite()).short == SHED
    [cookie] = opened.all("Record-Route")
    for number, method in enumerate(("ACK", "INVITE", "UPDATE", "INFO", "REFER", "BYE"), 2):
        inside = request(method, "sip:b@192.0.2.60", OWN, ("Route", cookie), to_tag="callee")
        inside = inside.set("Call-ID", sent.one("Call-ID")).set("From", sent.one("From"))
        assert party.send(inside.set("CSeq", f"{number} {method}")).short == PASS, method
    for call, method in zip(calls, ("CANCEL", "ACK") * 4, strict=False):
        same = Message(call.start.replace("INVITE", method), call.headers).set("CSeq", f"1 {method}")
        assert party.send(same.set("Content-Length", "0").set("Content-Type")).short == PASS
    for status in ("180 Ringing", "200 OK", "486 Busy Here"):
        assert party.send(response(opened, status, "far"), CLOUD).action == "forward"
    # Whoever asks us whether we are up would take us out of service.
    assert party.send(request("OPTIONS", "sip:192.0.2.1", OWN)).short == "200 options-up"


@pytest.mark.parametrize("number", ["911", "112", "urn:service:sos", "9911"])
def test_an_emergency_call_is_never_shed(agent: MakeAgent, number: str) -> None:
    party = agent(plenty())
    load(party, 1.0)
    assert party.send(invite(BETAS), BETA).short == SHED
    assert party.send(dial(number, BETAS), BETA).short == "forward emergency-routed"
    # And who may not is told why, never 503.
    assert party.send(dial(number)).short == "403 emergency-not-authorised"


@pytest.mark.parametrize(
    "header",
    [
        ("Priority", "emergency"),
        ("Resource-Priority", "esnet.0"),
        ("Resource-Priority", "ets.0, wps.0"),
        ("P-Asserted-Service-Info", "urn:service:sos"),
        ("Accept-Contact", "*;sos"),
    ],
)
def test_no_header_buys_a_better_place(agent: MakeAgent, header: tuple[str, str]) -> None:
    party = agent(plenty())
    load(party, 1.0)
    assert party.burst(lambda: invite(OWN, header), 9) == [SHED] * 9


def test_calls_from_the_cloud_too(agent: MakeAgent) -> None:
    party = agent(plenty())
    load(party, 0.75)
    told = party.burst(inbound, 400, CLOUD)
    assert told.count(SHED) == pytest.approx(220, abs=50)
    assert party.send(request("OPTIONS", f"sip:{OWN}@192.0.2.1", "x"), CLOUD).short == "200 options-up"


def test_who_is_above_half_of_its_burst_goes_first(agent: MakeAgent) -> None:
    party = agent(plenty("calls_per_second = 1\nburst = 1000\nconcurrent_calls = 1000000"))
    assert set(party.burst(invite, 700)) == {PASS}
    load(party, 0.65)
    above, below = party.burst(invite, 200), party.burst(lambda: invite(BETAS), 200, BETA)
    assert above.count(SHED) > 1.5 * below.count(SHED) > 60


def test_a_flood_of_strangers_sheds_no_customer(agent: MakeAgent) -> None:
    """Of a full queue only the part that peers fill is load: to shed calls wouldn't help."""
    party = agent(plenty())
    party.engine.set_load(1.0, party.now)
    for _ in range(90):
        party.send(invite(), NOBODY)
    party.burst(invite, 10)
    party.now += WINDOW
    party.engine.set_load(1.0, party.now)
    assert level(party) == 0
    party.burst(invite, 10)
    party.now += WINDOW
    party.engine.set_load(1.0, party.now)
    assert level(party) == 2


def test_each_worker_has_its_own_queue() -> None:
    engine = _hot.Engine(workers=2, rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=bytes(32))
    for now in (SECOND, 2 * SECOND):
        engine.set_load(1.0, now, 1)
    assert engine.counters()["overload"] == [0, 2]
    with pytest.raises(IndexError):
        engine.set_load(1.0, 3 * SECOND, 2)


def test_the_fill_of_a_real_queue() -> None:
    """What a pump looks at: nothing, then a buffer that takes no more."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        receiver.bind(("127.0.0.1", 0))
        assert _hot.queue_fill(receiver.fileno()) == 0.0
        for _ in range(200):
            sender.sendto(bytes(1000), receiver.getsockname())
        assert _hot.queue_fill(receiver.fileno()) > 0.9
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                receiver.recv(2000)
        assert _hot.queue_fill(receiver.fileno()) == 0.0
    assert _hot.queue_fill(0) == 0.0


def test_answer_and_event(agent: MakeAgent) -> None:
    party = agent(plenty())
    load(party, 1.0)
    told = party.send(invite())
    assert told.message.start == "SIP/2.0 503 Service Unavailable"
    assert not told.message.all("Retry-After")
    assert (told.rule, told.event.rule, told.event.reason, told.event.value) == (
        "overload",
        "overload",
        "overload",
        100,
    )
    assert party.engine.counters()["by_verdict"] == {("answer", "overload", "overload", "acme"): 1}


def test_the_rule_always_holds() -> None:
    def hit(agent: Agent) -> Decision:
        load(agent, 1.0)
        return agent.send(invite())

    check_structural("overload", [(hit, SHED)])


def test_a_reload_keeps_the_level(agent: MakeAgent) -> None:
    party = agent(plenty())
    load(party, 1.0)
    party.reload(plenty(agent='mode = "monitor"'))
    assert party.send(invite()).short == SHED
    load(party, 0.0)
    assert party.send(invite()).short == PASS


def test_explain(agent: MakeAgent) -> None:
    party = agent(plenty())
    for fill, value, reason in ((0.0, 0, ""), (1.0, 100, "overload")):
        load(party, fill)
        steps = party.engine.explain(bytes(invite()), ACME, 0, party.now)
        [step] = [step for step in steps if step.rule == "overload"]
        assert (step.applies, step.value, step.limit, step.reason) == (True, value, 62, reason)
