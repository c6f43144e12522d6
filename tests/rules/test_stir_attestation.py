"""stir-attestation: the least level, and rates of each level and signer. It finds nothing unless it is set to."""

from __future__ import annotations

import pytest

from tests.agent import OWN, invite
from tests.rules.test_stir_replay import MakeParty, Party, party

__all__ = ["party"]

PASS, LOW, RATE, SIGNER = "forward pass", "403 attestation-level", "486 attestation-rate", "486 signer-rate"


def rules(text: str) -> str:
    return f'[rules.stir-replay]\nmode = "off"\n[rules.stir-attestation]\n{text}\n'


def levels(one: Party, order: str) -> list[str]:
    return [one.send(how=level) for level in order]


@pytest.mark.parametrize(
    ("least", "seen"),
    [
        ("none", [PASS, PASS, PASS]),
        ("C", [PASS, PASS, PASS]),
        ("B", [PASS, PASS, LOW]),
        ("A", [PASS, LOW, LOW]),
    ],
)
def test_the_least_level(party: MakeParty, least: str, seen: list[str]) -> None:
    assert levels(party(rules=rules(f'least = "{least}"')), "ABC") == seen


def test_tag_only_records(party: MakeParty) -> None:
    one = party('stir = "tag"', rules=rules('least = "A"'))
    seen = one.agent.send(one.vouch.signed(invite(OWN), "C"))
    assert (seen.short, seen.monitored) == (PASS, ("stir-attestation",))
    assert "verstat=TN-Validation-Passed" in seen.message.one("From"), "whose number it is, is certain all the same"


@pytest.mark.parametrize(("mode", "outcome"), [("off", PASS), ("monitor", PASS), ("enforce", LOW)])
def test_modes(party: MakeParty, mode: str, outcome: str) -> None:
    one = party(rules=rules(f'mode = "{mode}"\nleast = "A"'))
    seen = one.agent.send(one.vouch.signed(invite(OWN), "B"))
    assert seen.short == outcome
    assert seen.monitored == (("stir-attestation",) if mode == "monitor" else ())


def test_a_rate_of_one_level(party: MakeParty) -> None:
    """Hit, and near miss: the other levels have nothing to do with it."""
    one = party(rules=rules("c_per_second = 2\nc_burst = 3"))
    assert levels(one, "CCCC") == [PASS, PASS, PASS, RATE]
    assert levels(one, "AABB") == [PASS] * 4
    one.agent.wait(0.5)
    assert levels(one, "CC") == [PASS, RATE]


def test_what_fails_counts_as_unsigned(party: MakeParty) -> None:
    """Evasion: a header that means nothing is no way round the limit of unsigned calls."""
    one = party('stir = "tag"', rules=rules("unsigned_per_second = 1\nunsigned_burst = 2"))
    one.vouch.token = "nonsense"
    assert [one.send() for _ in range(3)] == [PASS, PASS, RATE]
    assert levels(one, "CC") == [PASS, PASS]


def test_a_trunk_has_its_own(party: MakeParty) -> None:
    """Set for one trunk, it holds for that one."""
    one = party(
        'stir = "require"\n[trunk.rules.stir-attestation]\na_per_second = 1\na_burst = 1', rules=rules("a_burst = 5")
    )
    assert levels(one, "AA") == [PASS, RATE]


def test_volume_of_a_signer(party: MakeParty) -> None:
    one = party(rules=rules("signer_per_second = 1\nsigner_burst = 2"))
    assert levels(one, "ABC") == [PASS, PASS, SIGNER]
    one.vouch.leaf = one.vouch.authority.leaf(name="another")
    assert one.send(how="A") == "438 passport-signature", "its URL serves the first one's certificate"
    one.agent.wait(1)
    one.vouch.leaf = one.vouch.first
    assert levels(one, "AA") == [PASS, SIGNER]


def test_a_reload_changes_the_rate(party: MakeParty) -> None:
    one = party(rules=rules("a_per_second = 1\na_burst = 1"))
    assert levels(one, "AA") == [PASS, RATE]
    one.reload(rules=rules("a_per_second = 1\na_burst = 3"))
    assert levels(one, "AAA") == [PASS, PASS, RATE], "the one before is still counted"
    one.reload(rules=rules(""))
    assert levels(one, "AAAA") == [PASS] * 4
