"""fetch: what may be asked for, and what becomes of repositories that are good, bad, slow or hostile.

The repository is a real HTTPS server on loopback, with a certificate of its own
authority; only tests allow loopback and its port.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import Awaitable
from pathlib import Path

import pytest
from aiohttp import web

from edge_agent.stir import cache, fetch, names
from edge_agent.stir.chain import Revocations, nobody_revoked
from edge_agent.stir.fetch import Certificates, Limits, check_url
from edge_agent.stir.refused import Refused
from tests.ca import Authority
from tests.stir.repository import (
    LOOPBACK,
    Handler,
    hostile_bomb,
    hostile_drip,
    hostile_redirect,
    hostile_size,
    repository,
    silent,
)


def refusal(url: str, limits: Limits | None = None) -> str:
    try:
        check_url(url, limits or Limits())
    except Refused as fault:
        return fault.reason.name
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "https://cr.example.net/a.pem",
        "https://cr.example.net:443/a.pem",
        "https://cr.example.net:8443/a/b/c.pem",
        "https://192.0.43.8/a.pem",
        "https://[2606:4700::1111]/a.pem",
    ],
)
def test_urls_that_may_be_fetched(url: str) -> None:
    assert refusal(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cr.example.net/a.pem",
        "http://cr.example.net/a.pem",
        "ftp://cr.example.net/a.pem",
        "file:///etc/passwd",
        "https:///a.pem",
        "https://cr.example.net:444/a.pem",
        "https://cr.example.net:x/a.pem",
        "https://cr.example.net:99999/a.pem",
        "https://user@cr.example.net/a.pem",
        "https://u:p@cr.example.net/a.pem",
        "https://cr.example.net/a.pem?x=1",
        "https://cr.example.net/a.pem?",
        "https://cr.example.net/a.pem#x",
        "https://cr.example.net/a;x=1",
        "https://cr.example.net/a b",
        "https://cr.example.net\\@evil.example/a",
        "https://cr.exämple.net/a.pem",
        "https://cr.example.net/\r\nX: y",
        "https://cr.example.net/" + "a" * 600,
        "https://127.0.0.1/a.pem",
        "https://127.1.2.3:8443/a.pem",
        "https://10.0.0.1/a.pem",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.1.1/a.pem",
        "https://100.64.0.1/a.pem",
        "https://0.0.0.0/a.pem",
        "https://224.0.0.1/a.pem",
        "https://255.255.255.255/a.pem",
        "https://[::1]/a.pem",
        "https://[::ffff:10.0.0.1]/a.pem",
        "https://[fe80::1]/a.pem",
        "https://[fd00::1]/a.pem",
        "https://[64:ff9b::a00:1]/a.pem",
        "https://[2002:a00:1::]/a.pem",
    ],
)
def test_urls_that_may_not(url: str) -> None:
    assert refusal(url) == "certificate-url"


def test_hosts_on_a_list() -> None:
    limits = Limits(hosts=("cr.example.net",))
    assert refusal("https://cr.example.net/a.pem", limits) == ""
    assert refusal("https://CR.example.net./a.pem", limits) == ""
    assert refusal("https://other.example.net/a.pem", limits) == "certificate-url"


def test_allowed_networks() -> None:
    limits = Limits(allow=(ipaddress.ip_network("10.1.0.0/16"),))
    assert refusal("https://10.1.2.3/a.pem", limits) == ""
    assert refusal("https://[::ffff:10.1.2.3]/a.pem", limits) == ""
    assert refusal("https://10.2.0.1/a.pem", limits) == "certificate-url"


async def fault_of(waiting: Awaitable[object]) -> str:
    try:
        await waiting
    except Refused as fault:
        return fault.reason.name
    return ""


async def test_a_certificate_is_fetched_once_a_day(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf().pem
        with pytest.raises(Refused, match="not fetched yet"):
            certificates.get(repo.url())
        await asyncio.gather(*(certificates.fetch(repo.url()) for _ in range(50)))
        assert repo.asked == 1
        assert certificates.get(repo.url()).subject == "CN=SHAKEN 1234"
        repo.now += 23 * 3600
        await certificates.fetch(repo.url())
        assert repo.asked == 1
        repo.now += 2 * 3600
        await certificates.fetch(repo.url())
        assert repo.asked == 2


@pytest.mark.parametrize(("header", "hours"), [("max-age=60", 24), ("public, max-age=172800", 48), ("no-store", 24)])
async def test_how_long_it_keeps(tmp_path: Path, header: str, hours: int) -> None:
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"], repo.headers = repo.authority.leaf().pem, {"Cache-Control": header}
        await certificates.fetch(repo.url())
        repo.now += hours * 3600 - 5
        assert not certificates.wanted(repo.url())
        repo.now += 10
        assert certificates.wanted(repo.url())


async def test_never_beyond_its_own_end(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf(ends=datetime.timedelta(hours=1)).pem
        await certificates.fetch(repo.url())
        repo.now += 3601
        assert certificates.wanted(repo.url())


async def test_what_failed_is_not_asked_again_at_once(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        for _ in range(5):
            assert await fault_of(certificates.fetch(repo.url("/none.pem"))) == "certificate-unavailable"
        assert repo.asked == 1
        repo.now += fetch.FAILED_SECONDS
        repo.pages["/none.pem"] = repo.authority.leaf().pem
        assert await fault_of(certificates.fetch(repo.url("/none.pem"))) == ""


async def test_an_old_one_serves_while_the_repository_is_down(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        leaf = repo.authority.leaf().pem
        repo.pages["/a.pem"] = leaf
        await certificates.fetch(repo.url())
        del repo.pages["/a.pem"]
        repo.now += 25 * 3600
        assert await fault_of(certificates.fetch(repo.url())) == ""
        assert certificates.counts["stale"] == 1
        # What was replaced by something bad is gone: that may be how it was withdrawn.
        repo.pages["/a.pem"] = b"no certificate"
        repo.now += fetch.FAILED_SECONDS
        assert await fault_of(certificates.fetch(repo.url())) == "certificate-syntax"


async def test_the_store_serves_a_start_without_repository(tmp_path: Path) -> None:
    store = tmp_path / "certificates"
    async with repository(tmp_path, store) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf().pem
        await certificates.fetch(repo.url())
        url, authority, port = repo.url(), repo.authority, repo.port
    again = Certificates(
        [authority.root.certificate],
        clock=lambda: repo.now,
        limits=Limits(allow=LOOPBACK, ports=(port,)),
        store=store,
    )
    try:
        assert (await again.fetch(url)).subject == "CN=SHAKEN 1234"
        assert again.clear() == 1
        assert not list(store.glob("*.pem"))
    finally:
        await again.close()


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (hostile_redirect, "certificate-unavailable"),
        (hostile_size, "certificate-unavailable"),
        (hostile_bomb, "certificate-syntax"),
        (hostile_drip, "certificate-unavailable"),
        (b"", "certificate-syntax"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate-syntax"),
    ],
)
async def test_hostile_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: bytes | Handler, reason: str
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    async with repository(tmp_path) as (repo, certificates):
        repo.pages["/a.pem"] = page
        assert await fault_of(certificates.fetch(repo.url())) == reason


async def test_a_name_for_an_inside_address(tmp_path: Path) -> None:
    """DNS says 127.0.0.1: judged after resolution, and nothing is connected to."""
    async with repository(tmp_path) as (repo, _):
        assert await names.addresses("localhost"), "the hosts file names it"
        inside = Certificates(
            [repo.authority.root.certificate], clock=lambda: repo.now, limits=Limits(ports=(repo.port,))
        )
        try:
            assert await fault_of(inside.fetch(repo.url())) == "certificate-unavailable"
            assert repo.asked == 0
        finally:
            await inside.close()


async def test_dead_hosts_hold_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 URLs at once that never answer: a good one is had meanwhile, and each costs its seconds and a socket."""
    monkeypatch.setattr(fetch, "FLIGHTS_PER_HOST", 250)
    async with repository(tmp_path) as (repo, certificates):
        dead_server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = dead_server.sockets[0].getsockname()[1]
        certificates._limits = Limits(allow=LOOPBACK, ports=(repo.port, port))
        repo.pages["/good.pem"] = repo.authority.leaf().pem
        urls = [f"https://localhost:{port}/{number}.pem" for number in range(200)]
        dead = [asyncio.create_task(fault_of(certificates.fetch(url))) for url in urls]
        await asyncio.sleep(0)
        assert await fault_of(certificates.fetch(repo.url("/good.pem"))) == ""
        assert not any(task.done() for task in dead)
        assert set(await asyncio.gather(*dead)) == {"certificate-unavailable"}
        dead_server.close()


async def test_few_flights_to_one_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    async with repository(tmp_path) as (repo, certificates):
        repo.pages |= {f"/{number}.pem": hostile_drip for number in range(10)}
        await asyncio.gather(*(fault_of(certificates.fetch(repo.url(f"/{number}.pem"))) for number in range(10)))
        assert repo.asked <= fetch.FLIGHTS_PER_HOST
        assert certificates.counts["shed"] == 10 - fetch.FLIGHTS_PER_HOST


async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good ones and faults have a bound each: who writes URLs that lead nowhere pushes out nothing good."""
    monkeypatch.setattr(cache, "URLS", 20)
    async with repository(tmp_path) as (repo, certificates):
        leaf = repo.authority.leaf().pem
        for number in range(50):
            repo.pages[f"/{number}.pem"] = leaf
            assert await fault_of(certificates.fetch(repo.url(f"/{number}.pem"))) == ""
            assert await fault_of(certificates.fetch(repo.url(f"/none-{number}.pem"))) == "certificate-unavailable"
        assert len(certificates) == 40
        assert certificates.counts["evicted"] == 30
        assert certificates.get(repo.url("/49.pem")).subject == "CN=SHAKEN 1234"
        monkeypatch.setattr(cache, "KEPT_BYTES", 3 * len(leaf))
        repo.pages["/more.pem"] = leaf
        await certificates.fetch(repo.url("/more.pem"))
        assert sum(row["state"] == "good" for row in certificates.rows()) == 3


async def test_preloaded_ones_are_never_asked_for(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        leaf = repo.authority.leaf()
        certificates.preload(repo.url(), leaf.pem)
        repo.now += 10 * 86400
        assert await fault_of(certificates.fetch(repo.url())) == ""
        assert repo.asked == 0
        with pytest.raises(Refused):
            certificates.preload(repo.url("/b.pem"), b"nothing")


async def test_a_command_s_preload_outlives_the_process(tmp_path: Path) -> None:
    store = tmp_path / "certificates"
    async with repository(tmp_path, store) as (repo, certificates):
        certificates.preload(repo.url(), repo.authority.leaf().pem)
        roots = [repo.authority.root.certificate]
        again = Certificates(roots, clock=lambda: repo.now, store=store)
        assert again.restore() == 1 and not again.wanted(repo.url())
        assert [(row["origin"], row["until"], row["state"]) for row in again.rows()] == [("command", 0, "good")]
        strange = Certificates([Authority().root.certificate], clock=lambda: repo.now, store=store)
        assert strange.restore() == 0, "judged by the roots of now"


async def test_what_was_fetched_is_not_asked_for_again_by_the_next_start(tmp_path: Path) -> None:
    store = tmp_path / "certificates"
    async with repository(tmp_path, store) as (repo, certificates):
        repo.pages["/a.pem"] = repo.authority.leaf().pem
        await certificates.fetch(repo.url())
        again = Certificates([repo.authority.root.certificate], clock=lambda: repo.now, store=store)
        again.restore()
        assert (await again.fetch(repo.url())).subject == "CN=SHAKEN 1234"
        assert repo.asked == 1


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"x5u: https://a/b\nuntil: 5\norigin: fetched\n\nno PEM", b"\0" * 99]
)
async def test_a_store_that_was_spoilt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pem").write_bytes(content)
    certificates = Certificates([Authority().root.certificate], clock=lambda: 0.0, store=tmp_path)
    assert certificates.restore() == 0


async def test_other_roots_and_revocations_hold_for_what_is_known(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        leaf = repo.authority.leaf()
        repo.pages |= {"/a.pem": leaf.pem, "/b.pem": repo.authority.leaf(name="SHAKEN 5678").pem}
        for path in ("/a.pem", "/b.pem"):
            await certificates.fetch(repo.url(path))
        await fault_of(certificates.fetch(repo.url("/none.pem")))
        limits = Limits(allow=LOOPBACK, ports=(repo.port,))
        crl, signer = repo.authority.revocations(leaf)
        roots = [repo.authority.root.certificate]
        certificates.use(roots, Revocations(crl, signer.certificate), limits, certificates._tls)
        with pytest.raises(Refused, match="certificate-revoked"):
            certificates.get(repo.url("/a.pem"))
        assert certificates.get(repo.url("/b.pem")).subject == "CN=SHAKEN 5678"
        assert certificates.wanted(repo.url("/none.pem")) and certificates.wanted(repo.url("/a.pem")), "asked anew"

        certificates.use([Authority().root.certificate], nobody_revoked, limits, certificates._tls)
        with pytest.raises(Refused, match="certificate-path"):
            certificates.get(repo.url("/b.pem"))
        certificates.use(roots, nobody_revoked, limits, certificates._tls)
        assert await fault_of(certificates.fetch(repo.url("/b.pem"))) == "", "it may come again"
        elsewhere = Limits(hosts=("cr.example.net",), allow=LOOPBACK, ports=(repo.port,))
        certificates.use(roots, nobody_revoked, elsewhere, certificates._tls)
        with pytest.raises(Refused, match="certificate-url"):
            certificates.get(repo.url("/b.pem"))


async def test_the_configuration_s_preloads_come_and_go_with_it(tmp_path: Path) -> None:
    async with repository(tmp_path) as (repo, certificates):
        leaf, roots = repo.authority.leaf().pem, [repo.authority.root.certificate]
        certificates.use(roots, nobody_revoked, Limits(), None, [(repo.url(), leaf)])
        assert not certificates.wanted(repo.url()) and certificates.clear() == 0
        certificates.use(roots, nobody_revoked, Limits(), None)
        assert certificates.wanted(repo.url())


async def test_a_reload_in_the_middle_of_a_fetch(tmp_path: Path) -> None:
    """What lands is judged by the roots that hold then."""
    async with repository(tmp_path) as (repo, certificates):

        async def page(request: web.Request) -> web.StreamResponse:
            certificates.use([Authority().root.certificate], nobody_revoked, certificates._limits, certificates._tls)
            return web.Response(body=repo.authority.leaf().pem)

        repo.pages["/a.pem"] = page
        assert await fault_of(certificates.fetch(repo.url())) == "certificate-path"


async def test_names_of_the_hosts_file_come_first(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# nothing\n192.0.2.7 one.example two.example # three.example\n\n2001:db8::7 one.example\n")
    assert await names.addresses("ONE.example", hosts) == ["192.0.2.7", "2001:db8::7"]
    assert await names.addresses("two.example", hosts) == ["192.0.2.7"]
