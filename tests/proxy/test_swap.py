"""A new policy is tried before it screens; one that fails leaves the running one as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent import _hot
from edge_agent.numbering.plans import regions
from edge_agent.policy.load import load
from edge_agent.policy.swap import Trial, TrialFailed, grace_end, senders, swap, try_out
from edge_agent.policy.tables import Tables
from tests.proxy import world as scene
from tests.proxy.world import ACME, BETA, CLOUD, NOW, POLICY, PSAP, SECOND, SECRET, Call, World


def test_a_sound_policy_passes_its_trial() -> None:
    try_out(_hot.Policy(scene.tables()))


def test_the_shipped_configuration_passes() -> None:
    root = Path(__file__).resolve().parents[2]
    for file in [root / "config" / "edge_agent.toml", *sorted((root / "config" / "examples").glob("*.toml"))]:
        engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=SECRET)
        swap(engine, load(file), 1)


@pytest.mark.parametrize("stir", [0, 1, 2])
def test_calls_that_are_to_be_signed_or_verified_pass_their_trial(stir: int) -> None:
    made = scene.tables()
    peers = tuple(peer._replace(sign=peer.upstream_kind, stir=0 if peer.upstream_kind else stir) for peer in made.peers)
    try_out(_hot.Policy(replace(made, peers=peers)))


@pytest.mark.parametrize(
    "text",
    [
        POLICY.replace('aliases = ["sbc.example.net"]', 'mode = "monitor"'),
        POLICY.replace("calls_per_second = 10\nburst = 20", "calls_per_second = 0.01\nburst = 1"),
        POLICY.replace('sources = ["198.51.100.10/32"]', 'sources = ["198.51.100.10/32"]\nports = [5090]'),
        POLICY.replace('sources = ["198.51.100.10/32"]', 'sources = ["198.51.100.0/24", "203.0.113.0/24"]'),
        POLICY.replace('sources = ["198.51.100.10/32"]', 'sources = ["0.0.0.0/0"]'),
        POLICY.replace('contact = ["198.51.100.10:5070"]\n', ""),
        POLICY.replace('caller_ids = ["+12125552000..+12125552099"]', 'caller_ids = ["+12125550100"]'),
        POLICY.replace('caller_ids = ["+12125552000..+12125552099"]', 'caller_ids = []\ncountry = "BR"'),
        POLICY.replace("[2001:db8::60]", "[2001:DB8:0::0060]"),
        POLICY.replace("192.0.2.61", "[::ffff:192.0.2.61]"),
        POLICY[: POLICY.index("[[trunk]]")],
        POLICY + '[rules.interface]\nmethods = ["OPTIONS"]\n',
        POLICY + "[rules.source-rate]\nper_second = 1\nburst = 1\n",
        POLICY + "[rules.emergency]\nper_second = 1\nburst = 1\n",
        POLICY.replace('emergency = "route"', 'emergency = "redirect"'),
        POLICY.replace('emergency = "route"', 'emergency = "reject"'),
        POLICY.replace('emergency = "route"\n', ""),
    ],
    ids=[
        "monitor", "slow-trunk", "ports", "networks", "everybody", "no-contact", "its-own-number", "no-numbers",
        "spelling", "mapped", "no-trunk",
        "no-invite", "narrow", "narrow-lane",
        "redirected", "rejected-with-an-upstream", "no-longer-routed",
    ],
)  # fmt: skip
def test_no_sound_policy_is_refused(text: str) -> None:
    """The trial asks nothing that the operator's rules may decide."""
    try_out(_hot.Policy(scene.tables(text)))


def test_every_country_passes() -> None:
    """Each has emergency numbers and a plan of its own."""
    text = POLICY[: POLICY.index("[[trunk]]")]
    for number, country in enumerate(sorted(regions())):
        text += f'[[trunk]]\nname = "{country}"\nsources = ["10.0.{number}.0/24"]\nupstream = "cloud"\n'
        text += f'country = "{country}"\ncaller_ids = ["+1212555{2000 + number}"]\n'
        text += 'emergency = "route"\nemergency_upstream = "psap"\n' if number % 2 else ""
    try_out(_hot.Policy(scene.tables(text)))


class Liar:
    """An engine's trial run against tables that say something else than the policy does."""

    def __init__(self, told: Tables, compiled: Tables) -> None:
        engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=bytes(32))
        engine.publish(_hot.Policy(compiled))
        self.trial = Trial(engine, told)
        self.told = told

    def run(self) -> None:
        for number, source in senders(self.told):
            self.trial.run(number, source)
        self.trial.run_stranger()


def test_a_message_taken_for_anothers_fails_the_trial() -> None:
    told = scene.tables()
    acme, six = (number for number, row in enumerate(told.peers) if row.name in ("acme", "six"))
    other = {acme: six, six: acme}
    sources = tuple(row._replace(peer=other.get(row.peer, row.peer)) for row in told.sources)
    with pytest.raises(TrialFailed, match="broken bytes of acme .*: taken for .'six'.'s"):
        Liar(told, replace(told, sources=sources)).run()


def test_an_emergency_call_that_isnt_seen_fails_the_trial() -> None:
    told = scene.tables()
    lost = replace(told.emergencies[0], exact=frozenset({"112911"}), plus=frozenset(), tests=frozenset())
    with pytest.raises(TrialFailed, match="an emergency call of acme"):
        Liar(told, replace(told, emergencies=(lost,) * len(told.emergencies))).run()


def test_a_call_that_goes_astray_fails_the_trial() -> None:
    compiled = scene.tables()
    rows = tuple(
        row._replace(targets=(("192.0.2.99", 5060),)) if row.name == "cloud" else row for row in compiled.peers
    )
    with pytest.raises(TrialFailed, match="a call of acme from 198.51.100.10 port 5060: .*192.0.2.60"):
        Liar(replace(compiled, peers=rows), compiled).run()


def test_an_emergency_call_that_goes_astray_fails_the_trial() -> None:
    compiled = scene.tables()
    rows = tuple(row._replace(targets=(("192.0.2.99", 5060),)) if row.name == "psap" else row for row in compiled.peers)
    with pytest.raises(TrialFailed, match="an emergency call of beta"):
        Liar(replace(compiled, peers=rows), compiled).run()


@pytest.mark.parametrize("told", ["route", "redirect", "reject"])
@pytest.mark.parametrize("compiled", ["route", "redirect", "reject"])
def test_an_emergency_call_with_another_treatment_fails_the_trial(told: str, compiled: str) -> None:
    def policy(mode: str) -> Tables:
        return scene.tables(POLICY.replace('emergency = "route"', f'emergency = "{mode}"'))

    liar = Liar(policy(told), policy(compiled))
    if told == compiled:
        liar.run()
    else:
        with pytest.raises(TrialFailed, match="an emergency call of beta"):
            liar.run()


def test_a_failed_trial_leaves_the_running_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World()
    file = tmp_path / "next.toml"
    file.write_text(POLICY.replace("+12125552000..+12125552099", "+12125557777"))
    monkeypatch.setattr("edge_agent.policy.swap.try_out", fail)
    with pytest.raises(TrialFailed):
        swap(world.engine, load(file), 2)
    assert world.send(Call.outbound().invite(), ACME).reason == "pass"
    monkeypatch.undo()
    swap(world.engine, load(file), 2)
    assert world.send(Call.outbound().invite(), ACME).reason == "caller-owned"


def fail(policy: _hot.Policy) -> None:
    raise TrialFailed("by order of the test")


def test_a_trial_leaves_no_trace() -> None:
    """Health, counters and rates of the running engine are its own."""
    world = World()
    world.engine.set_target("cloud", 0, False)
    before = world.engine.counters()
    try_out(_hot.Policy(scene.tables()))
    assert world.engine.counters() == before
    world.answer(Call.outbound().invite(), ACME, "503 Service Unavailable")


def test_senders_are_certain() -> None:
    """One address for each peer, and never one that a longer network or a port takes from it."""
    text = POLICY.replace('sources = ["198.51.100.11/32"]', 'sources = ["198.51.100.0/24", "198.51.100.10/31"]')
    found = {scene.tables(text).peers[number].name: source for number, source in senders(scene.tables(text))}
    assert found["acme"] == ACME
    assert found["beta"] == ("198.51.100.0", 5060)
    assert (found["cloud"], found["psap"]) == (CLOUD, PSAP)
    assert BETA not in found.values()


@pytest.mark.parametrize(
    ("made", "wall", "end"),
    [
        (1000.0, 1000.0, NOW + 60 * SECOND),
        (1000.0, 1030.0, NOW + 30 * SECOND),
        (1000.0, 1060.0, 0),
        (1000.0, 9999.0, 0),
        (5000.0, 1000.0, NOW + 60 * SECOND),
        (0.0, 1000.0, 0),
    ],
    ids=["new", "half-way", "over", "long-over", "from-the-future", "no-key-was-lost"],
)
def test_grace_counts_from_the_making_of_the_key(made: float, wall: float, end: int) -> None:
    """A restart doesn't start it anew: the key's file is older than the process."""
    assert grace_end(made, 60.0, wall, NOW) == end


def test_no_grace_is_none() -> None:
    assert grace_end(1000.0, 0.0, 1000.0, NOW) == 0
