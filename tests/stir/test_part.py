"""part: STIR in the daemon: what a start, a reload and a command do to certificates and the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.admin.client import call as ask
from edge_agent.admin.server import Server, bind_socket
from edge_agent.policy.load import Loaded, load
from edge_agent.stir import fetch, sign
from edge_agent.stir.part import Stir, StirError
from tests.ca import Authority
from tests.stir.engine import FakeEngine, Told
from tests.stir.repository import Repository, repository
from tests.stir.test_service import CALLED, CALLER, ORIGID, short

CONFIG = """
[agent]
state_dir = "{folder}/state"

[[listen]]
address = "127.0.0.1:5060"

[[upstream]]
name = "cloud"
targets = ["127.0.0.20:5080"]

[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:5060"]
caller_ids = ["+12125000000..+12125000999"]
stir = "{mode}"

[stir]
roots = "{roots}"
fetch_ca = "ca.pem"
fetch_allow = ["127.0.0.0/8"]
{more}
"""


class Place:
    """A folder with a configuration, a repository, and the part that runs by it."""

    def __init__(self, folder: Path, repo: Repository, engine: FakeEngine) -> None:
        self.folder, self.repo, self.engine = folder, repo, engine
        (folder / "roots").mkdir()
        (folder / "roots" / "a.pem").write_bytes(repo.authority.root.certificate.public_bytes(Encoding.PEM))
        (folder / "strange.pem").write_bytes(Authority().root.certificate.public_bytes(Encoding.PEM))

    def load(self, mode: str = "require", roots: str = "roots", more: str = "") -> Loaded:
        file = self.folder / "edge_agent.toml"
        file.write_text(CONFIG.format(folder=self.folder, mode=mode, roots=roots, more=more))
        return load(file)

    def part(self, loaded: Loaded) -> Stir:
        return Stir(self.engine, loaded, structlog.get_logger())

    async def call(self, *identities: str, **call: Any) -> Told:
        ticket = self.engine.defer(*identities, **call)
        return (await asyncio.to_thread(self.engine.await_all, ticket))[0]

    def shaken(self, path: str = "/a.pem") -> str:
        leaf = self.repo.authority.leaf()
        self.repo.pages[path] = leaf.pem
        return sign.shaken(leaf.key, self.repo.url(path), CALLER, CALLED, "A", ORIGID, int(time.time()))


@asynccontextmanager
async def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with repository(folder) as (repo, _):
        monkeypatch.setattr(fetch.Limits, "ports", (repo.port,), raising=False)
        defaults = fetch.Limits.__init__.__defaults__
        assert defaults is not None
        monkeypatch.setattr(fetch.Limits.__init__, "__defaults__", (*defaults[:2], (repo.port,)))
        engine = FakeEngine()
        (folder / "ca.pem").write_text(repo.ca)
        try:
            yield Place(folder, repo, engine)
        finally:
            engine.close()


async def test_a_configuration_without_stir_has_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch) as at:
        part = at.part(at.load("ignore"))
        part.start(at.load("ignore"))
        assert part.status() == {"running": False} and part.certificates() == []
        await part.publish(at.load("require"))
        assert short(await at.call(at.shaken())) == ("pass", 1, "A", ())
        await part.publish(at.load("ignore"))
        assert part.status()["verified"] == {"passed": 1}
        await part.close()


async def test_a_reload_swaps_roots_and_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch) as at:
        part = at.part(at.load())
        part.start(at.load())
        value = at.shaken()
        assert short(await at.call(value)) == ("pass", 1, "A", ())
        await part.publish(at.load(roots="strange.pem"))
        assert short(await at.call(value)) == ("certificate-path", 2, "", ())
        await part.publish(at.load("tag", roots="strange.pem"))
        assert short(await at.call(value)) == ("pass", 2, "", ("certificate-path",))
        await part.publish(at.load(more='on_unavailable = "reject"'))
        assert short(await at.call(value)) == ("pass", 1, "A", ())
        del at.repo.pages["/a.pem"]
        gone = at.shaken("/gone.pem")
        del at.repo.pages["/gone.pem"]
        assert short(await at.call(gone)) == ("certificate-unavailable", 3, "", ())
        await part.close()


async def test_the_next_start_knows_what_this_one_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch) as at:
        part = at.part(at.load())
        part.start(at.load())
        value = at.shaken()
        await at.call(value)
        await part.close()
        again = at.part(at.load())
        again.start(at.load())
        assert short(await at.call(value)) == ("pass", 1, "A", ()) and at.repo.asked == 1
        assert again.status()["certificates"]["fetched"] == 0
        await again.close()


async def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the control socket: list, preload, clear, and what is refused."""
    async with place(tmp_path, monkeypatch) as at:
        url, other = at.repo.url("/other.pem"), at.repo.url("/configured.pem")
        leaf = at.repo.authority.leaf()
        (tmp_path / "leaf.pem").write_bytes(leaf.pem)
        loaded = at.load(more=f'preload = {{"{other}" = "leaf.pem"}}')
        part = at.part(loaded)
        part.start(loaded)
        path = tmp_path / "control.sock"
        server = Server(bind_socket(path), dict, asyncio.sleep, None, part)  # type: ignore[arg-type]
        await server.start()

        async def say(method: str, body: Any = None) -> tuple[int, dict[str, Any]]:
            return await asyncio.to_thread(ask, path, method, "/api/stir/certificates", body)

        assert (await say("POST", {"url": url, "pem": leaf.pem.decode()}))[1]["certificate"][
            "subject"
        ] == "CN=SHAKEN 1234"
        listed = (await say("GET"))[1]["certificates"]
        assert {(row["url"], row["origin"]) for row in listed} == {(url, "command"), (other, "configuration")}
        assert await say("DELETE", {"all": True}) == (200, {"ok": True, "cleared": 1})
        for method, body, why in (
            ("POST", {"url": url, "pem": "nothing"}, "certificate-syntax"),
            ("POST", {"url": url, "pem": Authority().leaf().pem.decode()}, "certificate-path"),
            ("POST", {"url": "http://a/b", "pem": leaf.pem.decode()}, "certificate-url"),
            ("POST", {"url": url, "pem": "A" * 70_000}, "a file of 70000 bytes"),
            ("POST", {"url": other, "pem": leaf.pem.decode()}, "[stir] preload names that URL"),
            ("POST", {"url": url}, "a preload needs"),
            ("DELETE", {"url": other}, "[stir] preload names that URL"),
            ("DELETE", {"url": url}, "nothing is known"),
            ("DELETE", {}, "isn't said"),
        ):
            code, reply = await say(method, body)
            assert code == 422 and why in reply["errors"][0], (method, body)
        await server.close()
        await part.close()


async def test_commands_without_stir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch) as at:
        part = at.part(at.load("ignore"))
        with pytest.raises(StirError, match="nothing is verified here"):
            await part.preload(at.repo.url(), b"")
        assert await part.clear(None) == 0


async def test_a_thread_that_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch) as at:
        part = at.part(at.load())
        part.start(at.load())
        assert part._service is not None
        monkeypatch.setattr(part._service, "turn", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(part.run(), 5)
        await part.close()
