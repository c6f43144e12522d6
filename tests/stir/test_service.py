"""service: deferred calls to verdicts, with the thread, real fetches from loopback, and an engine that only keeps notes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.rules import Mode
from edge_agent.stir import identity, passport, service, sign, waiting
from edge_agent.stir.fetch import Certificates, Limits
from edge_agent.stir.judge import Subject
from edge_agent.stir.refused import Refused
from edge_agent.stir.service import Rules, Service
from edge_agent.stir.signer import Signer
from tests.ca import Authority, Identity
from tests.stir.engine import FakeEngine, Told
from tests.stir.repository import LOOPBACK, Repository, hostile_drip, repository, silent

CALLER, CALLED = "12025550143", "12125550100"
URL = "https://cr.example.net/1234.pem"
ORIGID = UUID(int=0x7B1C3F0E5A0D4A8E9D430123456789AB)
TAG, REQUIRE = Subject("acme"), Subject("acme", requires=True)


class Bench:
    """A service in its thread, its certificates, and the engine that holds calls for it."""

    def __init__(self, engine: FakeEngine, certificates: Certificates, repo: Repository) -> None:
        self.engine, self.certificates, self.repo = engine, certificates, repo
        self._loop = asyncio.get_running_loop()
        self.flights: set[asyncio.Task[None]] = set()
        self.bugs = 0
        self.service = Service(engine, certificates, self._ask, self._bug)
        self.use()

    def use(self, subject: Subject = REQUIRE, **rules: Any) -> None:
        signers = rules.pop("signers", {})
        self.service.use(
            Rules(subjects={"acme": subject, "other": replace(subject, name="other")}, signers=signers, **rules)
        )

    def _ask(self, url: str) -> None:
        self._loop.call_soon_threadsafe(self._fetch, url)

    def _fetch(self, url: str) -> None:
        task = self._loop.create_task(self._fly(url))
        self.flights.add(task)
        task.add_done_callback(self.flights.discard)

    async def _fly(self, url: str) -> None:
        try:
            await self.certificates.fetch(url)
        except Refused:
            pass
        finally:
            self.service.landed(url)

    def _bug(self) -> None:
        self.bugs += 1

    async def told(self, *tickets: int) -> list[Told]:
        return await asyncio.to_thread(self.engine.await_all, *tickets)

    async def call(self, *identities: str, **call: Any) -> Told:
        return (await self.told(self.engine.defer(*identities, **call)))[0]

    def shaken(self, by: Identity, url: str = "", *, attest: str = "A", age: float = 0, **numbers: str) -> str:
        orig, dest = numbers.get("orig", CALLER), numbers.get("dest", CALLED)
        return sign.shaken(by.key, url or self.repo.url(), orig, dest, attest, ORIGID, int(time.time() - age))

    def serve(self, path: str = "/a.pem", **wishes: Any) -> Identity:
        leaf = self.repo.authority.leaf(**wishes)
        self.repo.pages[path] = leaf.pem
        return leaf


@asynccontextmanager
async def bench(folder: Path, share: int = 1024) -> AsyncIterator[Bench]:
    async with repository(folder) as (repo, certificates):
        certificates._clock = time.time
        engine = FakeEngine(share)
        made = Bench(engine, certificates, repo)
        ended: list[BaseException | None] = []
        made.service.start(ended.append)
        try:
            yield made
        finally:
            await certificates.close()
            await asyncio.gather(*made.flights, return_exceptions=True)
            await asyncio.to_thread(made.service.close)
            engine.close()
            assert ended == [None]
            assert made.service.counts["bugs"] == made.bugs == 0


def short(told: Told) -> tuple[str, int, str, tuple[str, ...]]:
    return told.reason, told.verstat, told.attest, told.monitored


async def test_a_good_call_first_fetched_then_known(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        value = at.shaken(at.serve())
        assert short(await at.call(value)) == ("pass", 1, "A", ())
        assert short(await at.call(value)) == ("pass", 1, "A", ())
        assert at.repo.asked == 1 and at.service.counts["waited"] == 1
        assert at.service.results["passed"] == 2


@pytest.mark.parametrize(
    ("fault", "reason", "verstat"),
    [
        ("signature", "passport-signature", 2),
        ("stale", "passport-stale", 2),
        ("caller", "passport-orig", 2),
        ("called", "passport-dest", 2),
        ("root", "certificate-path", 2),
        ("curve", "certificate-profile", 2),
        ("gone", "certificate-unavailable", 3),
        ("http", "certificate-url", 3),
        ("inside", "certificate-url", 3),
        ("metadata", "certificate-url", 3),
        ("mapped", "certificate-url", 3),
        ("no token", "identity-syntax", 2),
        ("long", "identity-size", 2),
        ("kind", "identity-missing", 3),
    ],
)
async def test_each_fault_by_mode(tmp_path: Path, fault: str, reason: str, verstat: int) -> None:
    """require answers it, tag tells it."""
    async with bench(tmp_path) as at:
        leaf = at.serve()
        at.repo.pages["/strange.pem"] = Authority().leaf().pem
        makers: dict[str, Callable[[], str]] = {
            "signature": lambda: at.shaken(at.repo.authority.leaf()),
            "stale": lambda: at.shaken(leaf, age=100),
            "caller": lambda: at.shaken(leaf, orig="12025550199"),
            "called": lambda: at.shaken(leaf, dest="12125559999"),
            "root": lambda: at.shaken(leaf, at.repo.url("/strange.pem")),
            "curve": lambda: at.shaken(leaf, at.repo.url("/curve.pem")),
            "gone": lambda: at.shaken(leaf, at.repo.url("/none.pem")),
            "http": lambda: at.shaken(leaf, "http://cr.example.net/a.pem"),
            "inside": lambda: at.shaken(leaf, f"https://10.0.0.1:{at.repo.port}/a.pem"),
            "metadata": lambda: at.shaken(leaf, f"https://169.254.169.254:{at.repo.port}/latest"),
            "mapped": lambda: at.shaken(leaf, f"https://[::ffff:10.0.0.1]:{at.repo.port}/a.pem"),
            "no token": lambda: "nothing",
            "long": lambda: "a" * 65_536 + ".b.c;info=<https://a/b>",
            "kind": lambda: "a.b.c;info=<https://a/b>;ppt=msgi",
        }
        value = makers[fault]()
        if fault == "curve":
            at.serve("/curve.pem", curve=ec.SECP384R1())
        at.use(REQUIRE, reject_unavailable=True)
        assert short(await at.call(value)) == (reason, verstat, "", ())
        at.use(TAG, reject_unavailable=True)
        assert short(await at.call(value)) == ("pass", verstat, "", (reason,))
        at.use(replace(REQUIRE, signature=Mode.MONITOR))
        assert short(await at.call(value)) == ("pass", verstat, "", (reason,))


async def test_a_name_that_leads_inside(tmp_path: Path) -> None:
    """DNS rebinding: the name is judged after look-up, and the connection goes to what was judged."""
    async with bench(tmp_path) as at:
        at.certificates._limits = Limits(ports=(at.repo.port,))
        at.use(REQUIRE, reject_unavailable=True)
        assert short(await at.call(at.shaken(at.serve()))) == ("certificate-unavailable", 3, "", ())
        assert at.repo.asked == 0


async def test_a_thousand_certificates(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        at.repo.pages["/many.pem"] = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" * 1000
        assert (await at.call(at.shaken(leaf, at.repo.url("/many.pem")))).reason == "certificate-syntax"


async def test_unavailable_passes_or_rejects(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        value = at.shaken(at.serve(), at.repo.url("/none.pem"))
        assert short(await at.call(value)) == ("pass", 3, "", ("certificate-unavailable",))
        at.use(REQUIRE, reject_unavailable=True)
        assert short(await at.call(value)) == ("certificate-unavailable", 3, "", ())


async def test_one_good_header_is_enough(tmp_path: Path) -> None:
    """And a dead certificate of another header holds it up for no moment."""
    async with bench(tmp_path) as at:
        leaf = at.serve()
        good = at.shaken(leaf)
        await at.call(good)
        began = time.monotonic()
        told = await at.call(at.shaken(leaf, at.repo.url("/dead.pem")), "nonsense", good)
        assert short(told) == ("pass", 1, "A", ()) and told.at - began < 1.5
        assert at.repo.asked == 1


async def test_a_priority_token_is_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        await at.call(at.shaken(leaf))
        at.repo.pages["/rph.pem"] = leaf.pem
        claims = {
            "dest": {"tn": [CALLED]},
            "iat": int(time.time()),
            "orig": {"tn": CALLER},
            "rph": {"auth": ["esnet.1"]},
        }
        rph = sign.header(leaf.key, at.repo.url("/rph.pem"), "rph", claims)
        assert short(await at.call(at.shaken(leaf), rph)) == ("pass", 1, "A", ())
        assert at.repo.asked == 2


async def test_an_old_certificate_serves_while_a_new_one_is_fetched(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        await at.call(at.shaken(leaf))
        entry = at.certificates.look(at.repo.url())
        assert entry is not None
        at.certificates._cache.put(at.repo.url(), replace(entry, until=time.time() - 1))
        assert short(await at.call(at.shaken(leaf))) == ("pass", 1, "A", ())
        assert at.service.counts["waited"] == 1, "only the very first call waited"
        for _ in range(200):
            if at.repo.asked == 2:
                break
            await asyncio.sleep(0.01)
        assert at.repo.asked == 2


# Those that hold up others, or try to


async def test_dead_hosts_delay_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 dead hosts at once and one that drips: good calls pass at once, and every call gets its verdict in 2 s."""
    monkeypatch.setattr(waiting, "FETCHES_PER_PEER", (1000.0, 1000))
    monkeypatch.setattr(waiting, "FETCHES", (1000.0, 1000))
    monkeypatch.setattr(waiting, "URLS_PER_PEER", 1000)
    async with bench(tmp_path) as at:
        leaf = at.serve()
        good = at.shaken(leaf)
        await at.call(good)
        dead = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = dead.sockets[0].getsockname()[1]
        hosts = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(200)]
        at.certificates._limits = Limits(allow=LOOPBACK, ports=(at.repo.port, port))
        more = [await asyncio.start_server(silent, host, port) for host in hosts]
        at.repo.pages["/drip.pem"] = hostile_drip
        began = time.monotonic()
        dead_calls = [at.engine.defer(at.shaken(leaf, f"https://{host}:{port}/a.pem")) for host in hosts]
        dead_calls.append(at.engine.defer(at.shaken(leaf, at.repo.url("/drip.pem"))))
        took: list[float] = []
        for _ in range(20):
            asked = time.monotonic()
            told = await at.call(good, call_id="call-1")
            assert short(told) == ("pass", 1, "A", ())
            took.append(told.at - asked)
            if len(took) == 1:
                assert not any(ticket in at.engine.told for ticket in dead_calls), "while the dead ones hang"
        # The hosts of this test hold the same lock as the thread, so the first ones see some of their work.
        assert sorted(took)[10] < waiting.SECONDS / 4 and max(took) < waiting.SECONDS
        for told in await at.told(*dead_calls):
            assert short(told) == ("pass", 3, "", ("certificate-unavailable",))
            assert told.at - began < waiting.SECONDS + 2.0
        for server in (dead, *more):
            server.close()


async def test_what_a_peer_may_have_waiting(tmp_path: Path) -> None:
    """Half of its share of the arena; above it at once on_unavailable, and others' calls still wait for theirs."""
    async with bench(tmp_path, share=20) as at:
        leaf = at.serve()
        at.repo.pages["/drip.pem"] = hostile_drip
        url = at.repo.url("/drip.pem")
        began = time.monotonic()
        tickets = [at.engine.defer(at.shaken(leaf, url)) for _ in range(15)]
        told = await at.told(*tickets[10:])
        assert all(one.at - began < 1 and one.monitored == ("certificate-unavailable",) for one in told)
        assert short(await at.call(at.shaken(leaf), peer="other")) == ("pass", 1, "A", ())
        assert all(one.at - began > 1 for one in await at.told(*tickets[:10]))
        assert at.service.status()["shed_peer"] == 5


async def test_a_cancelled_call_is_no_bug(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        ticket = at.engine.defer(at.shaken(at.serve()))
        at.engine.gone.add(ticket)
        await at.told(ticket)
        assert at.service.counts["gone"] == 1


async def test_a_subject_that_a_reload_took_away(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        assert (await at.call(at.shaken(at.serve()), subject="gone")).verstat == 3


async def test_a_bug_costs_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        await at.call(at.shaken(leaf))
        with monkeypatch.context() as patched:
            patched.setattr(service, "verify", lambda *arguments: 1 / 0)
            told = await at.call(at.shaken(leaf))
        assert short(told) == ("pass", 3, "", ("certificate-unavailable",))
        assert (at.bugs, at.service.counts["bugs"]) == (1, 1)
        assert short(await at.call(at.shaken(leaf)))[:2] == ("pass", 1)
        at.bugs = at.service.counts["bugs"] = 0


def test_more_than_a_second_s_work_is_shed() -> None:
    """One peer's flood is cut to what the thread can do, and the quiet peer's call comes in its turn."""
    authority = Authority()
    leaf = authority.leaf()
    certificates = Certificates([authority.root.certificate], clock=time.time)
    certificates.preload(URL, leaf.pem)
    engine = FakeEngine()
    made = Service(engine, certificates, lambda url: None, lambda: None)
    made.use(Rules(subjects={"acme": REQUIRE}))
    made._cost = 1e-3
    good = sign.shaken(leaf.key, URL, CALLER, CALLED, "A", ORIGID, int(time.time()))
    flood = [engine.defer(good, call_id="same") for _ in range(5000)]
    quiet = engine.defer(good, peer="other", call_id="same")
    made.turn()
    shed = [one for one in engine.told.values() if one.verstat == 3]
    assert len(shed) == made.counts["shed"] == 4001
    assert {one.monitored for one in shed} == {("certificate-unavailable",)}
    assert engine.told[quiet].verstat == 1, "of 64 calls in the first round"
    while len(made._queues):
        made.turn()
    assert sum(engine.told[ticket].verstat == 1 for ticket in flood) == 999
    made.close()
    engine.close()


# Replays and attestation


async def test_replays_are_recorded_or_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        value = at.shaken(at.serve())
        told = [await at.call(value) for _ in range(4)]
        assert [one.monitored for one in told] == [(), (), (), ("stir-replay",)]
        assert {one.reason for one in told} == {"pass"}
        at.use(replace(TAG, replay=Mode.ENFORCE))
        assert short(await at.call(value)) == ("stir-replay", 1, "A", ())
        assert short(await at.call(value, call_id="call-1")) == ("pass", 1, "A", ()), "another route of the first call"


async def test_the_least_level(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        at.use(replace(REQUIRE, least="B"))
        assert [(await at.call(at.shaken(leaf, attest=level))).reason for level in "ABC"] == [
            "pass",
            "pass",
            "attestation-level",
        ]
        at.use(replace(TAG, least="B"))
        assert short(await at.call(at.shaken(leaf, attest="C"))) == ("pass", 1, "C", ("attestation-level",))


async def test_rates_by_level_and_signer(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        at.use(replace(TAG, rates={"C": (0.001, 2), "unsigned": (0.001, 1)}, replay=Mode.OFF))
        assert [(await at.call(at.shaken(leaf, attest="C"))).reason for _ in range(3)] == [
            "pass",
            "pass",
            "attestation-rate",
        ]
        assert (await at.call(at.shaken(leaf, attest="B"))).reason == "pass"
        assert [(await at.call("nonsense")).reason for _ in range(2)] == ["pass", "attestation-rate"], "as unsigned"
        at.use(replace(TAG, signer_rate=(0.001, 1), attestation=Mode.MONITOR, replay=Mode.OFF))
        assert [(await at.call(at.shaken(leaf))).monitored for _ in range(2)] == [(), ("signer-rate",)]


# Signing


@pytest.mark.parametrize(
    ("attest", "owned", "level"),
    [("auto", True, "A"), ("auto", False, "B"), ("A", False, "B"), ("B", True, "B"), ("C", True, "C")],
)
async def test_signing(tmp_path: Path, attest: str, owned: bool, level: str) -> None:
    async with bench(tmp_path) as at:
        leaf = at.serve()
        signers = {"cloud": Signer(leaf.key, at.repo.url(), attest)}
        at.use(replace(TAG, verifies=False), signers=signers)
        assert short(await at.call(verify=False, sign=True, owned=owned)) == ("pass", 0, "", ())
        at.use(signers=signers)
        told = await at.call(verify=False, sign=True, owned=owned)
        assert short(told) == ("pass", 3, "", ()), "where calls are verified, this one is told as not validated"
        assert (await at.call(told.text)).attest == level
        again = await at.call(verify=False, sign=True, owned=owned)
        claims = [passport.read(identity.parse(one.text)) for one in (told, again)]
        assert claims[0].origid == claims[1].origid and claims[0].dest.numbers == (CALLED,)
        other = await at.call(verify=False, sign=True, peer="other")
        assert passport.read(identity.parse(other.text)).origid != claims[0].origid


@pytest.mark.parametrize("call", [{"caller": ""}, {"to": "", "called": ""}, {"upstream": "nobody"}])
async def test_what_can_t_be_signed_goes_unsigned(tmp_path: Path, call: dict[str, str]) -> None:
    async with bench(tmp_path) as at:
        at.use(signers={"cloud": Signer(at.serve().key, at.repo.url(), "auto")})
        assert (await at.call(verify=False, sign=True, **call)).text == ""
        assert at.service.counts["unsigned"] == 1


async def test_a_call_without_a_number_in_to_is_signed_for_who_is_called(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.use(signers={"cloud": Signer(at.serve().key, at.repo.url(), "auto")})
        told = await at.call(verify=False, sign=True, to="")
        assert passport.read(identity.parse(told.text)).dest.numbers == (CALLED,)


async def test_a_compact_form_takes_the_date(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        leaf, now = at.serve(), int(time.time())
        value = sign.header(leaf.key, at.repo.url(), "", {"dest": {"tn": [CALLED]}, "iat": now, "orig": {"tn": CALLER}})
        compact = ".." + value.partition(";")[0].rpartition(".")[2] + f";info=<{at.repo.url()}>"
        assert short(await at.call(compact, date=formatdate(now, usegmt=True))) == ("pass", 1, "", ())
        assert (await at.call(compact, date="yesterday")).reason == "passport-claims"
        assert (await at.call(compact)).reason == "passport-claims"
