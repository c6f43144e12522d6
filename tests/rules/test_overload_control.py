"""overload: what an upstream asks for by RFC 7339, of whom it is believed, what it can't stop; and what neighbours are told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.agent import ACME, BETA, BETAS, CLOUD, NOBODY, OWN, Agent, MakeAgent, dial, inbound, invite, request
from tests.proxy.message import Message, response
from tests.rules.test_overload import FAST, PASS, SHED, load, other, plenty

ASKED = "503 overload-upstream"

# What an upstream asks for (RFC 7339)

HEED = "overload_control = true"


def open_call(party: Agent, via: str) -> None:
    """A call whose answer says that much in our Via."""
    sent = invite()
    told = party.send(sent)
    if told.short == ASKED:
        told = party.send(dial("911", BETAS), BETA)
        pytest.fail("choose a call that passes")
    answer(party, told.message, via)


def answer(party: Agent, passed: Message, via: str) -> None:
    own, *rest = passed.all("Via")
    assert own.endswith(';oc;oc-algo="loss"')
    said = own.removesuffix(';oc;oc-algo="loss"') + via
    back = response(passed, "180 Ringing", "far")
    headers = [("Via", said), *(("Via", one) for one in rest), *((n, v) for n, v in back.headers if n != "Via")]
    assert party.send(Message(back.start, tuple(headers)), CLOUD).action == "forward"


def share(party: Agent, make: Callable[[], Message] = invite, times: int = 300) -> float:
    told = party.burst(make, times)
    assert set(told) <= {PASS, ASKED}
    return told.count(ASKED) / times


def test_our_via_offers_the_loss_algorithm(agent: MakeAgent) -> None:
    party = agent(plenty(cloud=HEED))
    assert party.send(invite()).message.all("Via")[0].endswith(';oc;oc-algo="loss"')
    assert ";oc" not in agent(plenty()).send(invite()).message.all("Via")[0]
    assert ";oc" not in party.send(inbound(), CLOUD).message.all("Via")[0]
    assert ";oc" not in party.send(dial("911", BETAS), BETA).message.all("Via")[0]


@pytest.mark.parametrize("percent", [0, 1, 20, 50, 80, 100])
def test_the_share_that_is_asked_for(agent: MakeAgent, percent: int) -> None:
    party = agent(plenty(cloud=HEED))
    open_call(party, f';oc={percent};oc-algo="loss";oc-validity=1000;oc-seq=1282321615.782')
    assert share(party) == pytest.approx(percent / 100, abs=0 if percent in (0, 100) else 0.1)
    party.wait(1.001)
    assert share(party) == 0


@pytest.mark.parametrize(
    ("via", "milliseconds"),
    [
        (";oc=100", 500),
        (';oc=100;oc-algo="loss"', 500),
        (";oc=100;oc-validity=2000", 2000),
        (';OC=100;OC-Algo="LOSS";OC-Validity=700', 700),
        (' ; oc = 100 ; oc-algo = "loss" ; oc-validity = 700', 700),
        (';x="a;oc=0;b";oc=100', 500),
        (";oc=100;oc-validity=99999999999", 3_600_000),
        (";oc=100;oc-seq=1.1", 500),
        # nothing that can be followed
        (";oc", 0),
        (";oc=", 0),
        (";oc=101", 0),
        (";oc=-5", 0),
        (";oc=1e2", 0),
        (";oc=100;oc-validity=0", 0),
        (";oc=100;oc-validity=soon", 0),
        (';oc=100;oc-algo="rate"', 0),
        (";oc=100;oc-seq=", 0),
        (";oc=100;oc-seq=5", 0),
        (";oc=100;oc-seq=1234567890123.1", 0),
        (";ocx=100", 0),
        (";received=oc=100", 0),
        ('";oc=100', 0),
    ],
)
def test_what_is_read_in_our_via(agent: MakeAgent, via: str, milliseconds: int) -> None:
    party = agent(plenty(cloud=HEED))
    sent = party.send(invite()).message
    own, *rest = sent.all("Via")
    back = response(sent, "180 Ringing", "far")
    said = own.removesuffix(';oc;oc-algo="loss"') + via
    headers = [("Via", said), *(("Via", one) for one in rest), *((n, v) for n, v in back.headers if n != "Via")]
    party.send(Message(back.start, tuple(headers)), CLOUD)
    for at, expected in ((max(milliseconds - 1, 0), 1.0 if milliseconds else 0.0), (milliseconds + 1, 0.0)):
        start = party.now
        party.now += at * 1_000_000
        assert share(party, times=5) == expected, at
        party.now = start


def test_the_newer_sequence_wins(agent: MakeAgent) -> None:
    party = agent(plenty(cloud=HEED))
    calls = [party.send(invite()).message for _ in range(8)]
    for said, expected in (
        (";oc=100;oc-validity=60000;oc-seq=10.5", 1.0),
        (";oc=0;oc-validity=0;oc-seq=10.49", 1.0),  # overtaken
        (";oc=0;oc-validity=0;oc-seq=9.99999", 1.0),
        (";oc=100;oc-validity=60000;oc-seq=10.50", 1.0),  # the same again
        (";oc=0;oc-validity=0;oc-seq=10.51", 0.0),
        (";oc=100;oc-validity=60000;oc-seq=10.5", 0.0),  # a late one doesn't bring it back
    ):
        answer(party, calls.pop(), said)
        assert share(party, times=5) == expected, said
    party.wait(11)
    answer(party, calls.pop(), ";oc=100;oc-seq=1.0")  # the neighbour has started anew
    assert share(party, times=5) == 1.0


def test_only_a_proven_response_of_that_upstream_is_believed(agent: MakeAgent) -> None:
    party = agent(plenty(cloud=HEED))
    sent = party.send(invite()).message
    own, *rest = sent.all("Via")
    back = response(sent, "180 Ringing", "far")

    def say(via: str, source: tuple[str, int], second: str = "") -> None:
        vias = [("Via", via), *(("Via", one + second) for one in rest)]
        party.send(Message(back.start, (*vias, *((n, v) for n, v in back.headers if n != "Via"))), source)

    said = own.replace(";oc;", ";oc=100;")
    for source in (NOBODY, ACME, BETA, ("192.0.2.61", 5060)):
        say(said, source)
    forged = re.sub("branch=(z9hG4bKea1.{20})..", r"branch=\1zz", said)
    say(forged, CLOUD)
    say(own, CLOUD, ";oc=100")  # in the Via of somebody else
    assert share(party, times=20) == 0
    quiet = agent(plenty())
    sent = quiet.send(invite()).message
    back = response(sent, "180 Ringing", "far")
    own = sent.all("Via")[0]
    headers = tuple((n, v + ";oc=100" if v == own else v) for n, v in back.headers)
    quiet.send(Message(back.start, headers), CLOUD)
    assert set(quiet.burst(invite, 20)) == {PASS}  # it wasn't asked


def test_what_an_upstream_can_not_stop(agent: MakeAgent) -> None:
    """Emergency calls, dialogs, copies, and calls that come from it."""
    party = agent(plenty(cloud=HEED))
    sent = invite()
    opened = party.send(sent).message
    answer(party, opened, ";oc=100;oc-validity=60000")
    assert party.send(invite()).short == ASKED
    assert party.send(sent).short == "forward retransmission"
    assert party.send(dial("911", BETAS), BETA).short == "forward emergency-routed"
    assert party.send(inbound(), CLOUD).short == PASS
    [own] = opened.all("Record-Route")
    bye = request("BYE", "sip:b@192.0.2.60", OWN, ("Route", own), to_tag="callee").set("CSeq", "2 BYE")
    assert party.send(bye.set("Call-ID", sent.one("Call-ID")).set("From", sent.one("From"))).short == PASS
    assert party.send(other()).short == ASKED
    told = party.send(invite())
    assert told.message.start == "SIP/2.0 503 Service Unavailable"
    assert not told.message.all("Retry-After")
    assert (told.event.rule, told.event.value) == ("overload", 100)


def test_other_requests_draw_anew_with_each_cseq(agent: MakeAgent) -> None:
    """A phone keeps its Call-ID over all its REGISTERs: it must not be shut out for as long as the load lasts."""
    party = agent(plenty(cloud=HEED))
    open_call(party, ";oc=50;oc-validity=60000")
    one = other()
    told = {party.send(one.set("CSeq", f"{n} OPTIONS")).short for n in range(1, 40)}
    assert told == {PASS, ASKED}


def test_a_reload_keeps_what_was_asked_for(agent: MakeAgent) -> None:
    party = agent(plenty(cloud=HEED))
    open_call(party, ";oc=100;oc-validity=60000")
    party.reload(plenty(cloud=HEED, agent="aliases = ['a.example']").replace('aliases = ["sbc.example.net"]\n', ""))
    assert party.send(invite()).short == ASKED
    party.reload(plenty())
    assert party.send(invite()).short == PASS


# What neighbours are told (RFC 7339)

OFFER = ';oc;oc-algo="loss,A"'


def offering(message: Message) -> Message:
    return message.set("Via", message.one("Via") + OFFER)


def told_in(message: Message) -> str:
    found = re.search(r";oc=.*?(?=;received|$)", message.all("Via")[0])
    return found[0] if found else ""


def test_a_neighbour_is_told_our_load(agent: MakeAgent) -> None:
    party = agent(plenty(f"{FAST}\n{HEED}"))
    sent = offering(invite())
    passed = party.send(sent).message
    for fill, share_, validity in ((0.0, 0, 0), (0.55, 0, 0), (0.75, 55, 500), (1.0, 100, 500)):
        load(party, fill)
        back = party.send(response(passed, "180 Ringing", "far"), CLOUD).message
        said = re.fullmatch(r';oc=(\d+);oc-algo="loss";oc-validity=(\d+);oc-seq=(\d+\.\d{5})', told_in(back))
        assert said, told_in(back)
        assert int(said[1]) == pytest.approx(share_, abs=1)
        assert int(said[2]) == validity
    load(party, 1.0)
    refused = party.send(offering(invite()))
    assert refused.short == SHED
    assert told_in(refused.message).startswith(";oc=100;")


def test_the_sequence_grows(agent: MakeAgent) -> None:
    party = agent(plenty(f"{FAST}\n{HEED}"))
    passed = party.send(offering(invite())).message
    seen = []
    for _ in range(300):
        party.now += 12_345_678
        back = party.send(response(passed, "180 Ringing", "far"), CLOUD).message
        seen.append(float(told_in(back).rpartition("=")[2]))
    assert seen == sorted(set(seen))
    assert seen[-1] - seen[0] == pytest.approx(299 * 0.012345678, abs=0.001)


def test_who_does_not_offer_or_is_not_trusted_is_told_nothing(agent: MakeAgent) -> None:
    load_all = plenty(f"{FAST}\n{HEED}")
    for text, sent in (
        (load_all, invite()),
        (load_all, invite().set("Via", invite().one("Via") + ';oc;oc-algo="rate"')),
        (load_all, invite().set("Via", invite().one("Via") + ";oc")),
        (load_all, invite().set("Via", invite().one("Via") + ';oc=7;oc-algo="loss"')),
        (plenty(), offering(invite())),
    ):
        party = agent(text)
        passed = party.send(sent).message
        load(party, 1.0)
        back = party.send(response(passed, "180 Ringing", "far"), CLOUD).message
        assert "oc-seq" not in bytes(back).decode()
