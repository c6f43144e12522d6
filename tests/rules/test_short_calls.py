"""short-calls: answered calls that end within seconds, from their 2xx to the answer to their BYE. It never decides alone."""

from __future__ import annotations

from itertools import count

import pytest

from tests.agent import CALLED, CLOUD, invite, request
from tests.proxy.calls import headers, reply
from tests.rules.phones import PASS, Phones, first_refused, fixed, patterns


def short(party: Phones) -> tuple[float, float]:
    known = party.known()
    return float(known["short"]), float(known["answered"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("talk", "counted"), [(1, 1), (5.9, 1), (6.2, 0), (60, 0)])
def test_limit(talk: float, counted: int) -> None:
    party = Phones()
    party.call("+12125552000", CALLED, talk=talk)
    party.run()
    assert short(party) == (counted, 1)


def test_seconds() -> None:
    party = Phones(patterns(short_calls='seconds = "20s"'))
    party.call("+12125552000", CALLED, talk=19)
    party.run()
    assert short(party) == (1, 1)


def test_who_hangs_up_does_not_matter() -> None:
    """The callee's BYE comes from the cloud, with the cookie that the trunk was given."""
    party = Phones()
    sent = invite()
    out = party.put(sent)
    party.answer(out, 200)
    party.wait(2)
    [cookie] = headers(out, b"Record-Route")
    bye = request("BYE", "sip:pbx@198.51.100.10:5060", "x", ("Route", cookie), to_tag="x")
    bye = bye.set("From", f"{sent.one('To')};tag=far").set("To", sent.one("From"))
    onwards = party.put(bye.set("Call-ID", sent.one("Call-ID")), CLOUD)
    assert onwards.startswith(b"BYE")
    party.put(reply(onwards, 200), ("198.51.100.10", 5060))
    assert short(party) == (1, 1)


def test_a_bye_alone_ends_nothing() -> None:
    """Only its answer does; and copies of that count once."""
    party = Phones()
    sent = invite()
    out = party.put(sent)
    for _ in range(3):
        party.answer(out, 200)
    [cookie] = headers(out, b"Record-Route")
    bye = request("BYE", "sip:callee@192.0.2.60", "x", ("Route", cookie), to_tag="far")
    bye = bye.set("From", sent.one("From")).set("To", f"{sent.one('To')};tag=far").set("CSeq", "2 BYE")
    onwards = party.put(bye.set("Call-ID", sent.one("Call-ID")))
    party.wait(1)
    party.answer(onwards, 500)
    assert short(party) == (0, 1)
    for _ in range(3):
        party.answer(onwards, 200)
    assert short(party) == (1, 1)


def test_a_dialler_beside_talkers() -> None:
    party = Phones()
    told = party.play(((party.anybody(), party.fate(0.3, 0.25, 3)) for _ in count()), 300)
    assert first_refused(told) > 0
    assert "short-calls" in party.known()["patterns"]  # type: ignore[operator]


def test_at_first_only_short_calls_have_ended() -> None:
    """A call centre begins its day: what ended so far was short, but most are still up."""
    party = Phones()
    for n in range(200):
        party.call("+12125552000", party.anybody(), after=n, talk=3 if n % 4 == 0 else 400)
    party.run(200)
    assert "short-calls" not in party.known()["patterns"]  # type: ignore[operator]


@pytest.mark.parametrize("weight", [100, 1000])
def test_it_raises_and_never_decides(weight: int) -> None:
    """Alone at any weight; with another pattern it counts."""
    party = Phones(patterns(short_calls=f"weight = {weight}"))
    assert first_refused(party.play(fixed(iter([CALLED] * 300), talk=2), 300)) == -1
    assert party.send(invite()).short == PASS
    assert first_refused(party.play(((party.anybody(), {"talk": 2}) for _ in count()), 400)) > 0


def test_codes_read_out() -> None:
    """A bank reads codes to its customers: short calls to ever new numbers, and no block."""
    party = Phones()
    told = party.play(((party.anybody(), party.fate(0.02, 0.85, 5)) for _ in count()), 1000)
    assert set(told) == {PASS}


def test_reload() -> None:
    """A limit that changes holds for calls that are up."""
    party = Phones()
    party.call("+12125552000", CALLED, talk=10)
    party.run(8)
    party.reload(patterns(short_calls='seconds = "15s"'))
    party.run()
    assert short(party) == (1, 1)
