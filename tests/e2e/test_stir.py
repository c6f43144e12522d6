"""STIR on the wire: the daemon between a customer and a cloud on plain sockets, and a repository of certificates.

The repository needs port 8443, which verifiers ask besides 443; it stands on a
loopback address of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.numbering.plans import plan
from edge_agent.stir import message, sign, verify
from edge_agent.stir.chain import load
from edge_agent.stir.verify import PASSED
from tests.ca import Authority, Identity, server_tls
from tests.e2e.daemon import Daemon
from tests.e2e.sipp import Address
from tests.stir.test_kamailio import Peer

HOST, PORT = "127.0.0.40", 8443
URL = f"https://{HOST}:{PORT}"
CUSTOMER = "127.0.0.10"
OWN, FAR = "12125000001", "13475550123"
STIR = """
[stir]
roots = "roots.pem"
fetch_ca = "ca.pem"
fetch_allow = ["127.0.0.0/8"]
on_unavailable = "{unavailable}"
[bans]
kernel = false
"""


class Repository:
    """Serves ``pages`` from a thread; a path that ends in /hang never answers."""

    def __init__(self, folder: Path) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        server, _ = server_tls(folder, HOST)
        self.ca = (folder / "server.pem").read_text().partition("-----END PRIVATE KEY-----\n")[2]
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(server, ready), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def _run(self, tls: ssl.SSLContext, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.router.add_get("/{path:.*}", self._page)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, HOST, PORT, ssl_context=tls).start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path.endswith("/hang"):
            await asyncio.sleep(30)
        found = self.pages.get(request.path)
        return web.Response(status=404) if found is None else web.Response(body=found)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Phone:
    """A socket that dials, and hears what comes."""

    def __init__(self, bind: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(bind)
        self.socket.settimeout(8)
        self.here = "{}:{}".format(*self.socket.getsockname())

    def hear(self) -> str:
        return self.socket.recv(65536).decode()

    def start(self) -> str:
        """The first line of what comes next."""
        return self.hear().split("\r\n")[0]


class Line:
    """The daemon and those around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        self.repository = Repository(folder)
        self.put("roots.pem", self.authority.root.certificate.public_bytes(Encoding.PEM))
        self.put("ca.pem", self.repository.ca.encode())
        self.daemon = Daemon(folder)
        self.customer, self.cloud = Phone((CUSTOMER, 0)), Phone((self.daemon.cloud.host, self.daemon.cloud.port))
        self._count = 0

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)
        (self.folder / name).chmod(0o600)

    def start(self, stir: str = "require", unavailable: str = "pass", sign: str = "") -> None:
        self.configure(stir, unavailable, sign)
        self.daemon.start()

    def configure(self, stir: str = "require", unavailable: str = "pass", sign: str = "") -> None:
        self.daemon.configure(more=STIR.format(unavailable=unavailable))
        text = self.daemon.config.read_text()
        text = text.replace("[[trunk]]\n", f'[[trunk]]\nstir = "{stir}"\n').replace(
            "[[upstream]]\n", f"[[upstream]]\n{sign}\n"
        )
        self.daemon.config.write_text(text)

    def serve(self, path: str = "/a.pem", authority: Authority | None = None) -> Identity:
        leaf = (authority or self.authority).leaf()
        self.repository.pages[path] = leaf.pem
        return leaf

    def identity(self, by: Identity, path: str = "/a.pem", *, dest: str = FAR, orig: str = OWN, age: float = 0) -> str:
        return sign.shaken(by.key, URL + path, orig, dest, "A", uuid4(), int(time.time() - age))

    def invite(self, *identities: str, caller: str = OWN) -> str:
        """A new call of the customer's, as text."""
        self._count += 1
        headers = "".join(f"Identity: {identity}\r\n" for identity in identities)
        return (
            f"INVITE sip:+{FAR}@{self.daemon.agent} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.customer.here};rport;branch=z9hG4bKstir{self._count}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:+{caller}@{CUSTOMER}>;tag=t{self._count}\r\n"
            f"To: <sip:+{FAR}@{self.daemon.agent.host}>\r\n"
            f"Call-ID: stir{self._count}@{CUSTOMER}\r\nCSeq: 1 INVITE\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n{headers}"
            f"Contact: <sip:{self.customer.here}>\r\nContent-Length: 0\r\n\r\n"
        )

    def send(self, text: str) -> None:
        self.customer.socket.sendto(text.encode(), self.daemon.agent)

    def call(self, *identities: str) -> None:
        self.send(self.invite(*identities))

    def answer(self, invite: str, status: str) -> str:
        """The cloud answers; what the customer hears of it."""
        lines = invite.split("\r\n")
        kept = [line for line in lines if re.match(r"(Via|From|To|Call-ID|CSeq|Record-Route):", line)]
        kept = [line + ";tag=far" if line.startswith("To:") else line for line in kept]
        text = "\r\n".join([f"SIP/2.0 {status}", *kept, "Content-Length: 0", "", ""])
        self.cloud.socket.sendto(text.encode(), self.daemon.agent)
        return self.customer.hear()

    def close(self) -> None:
        self.repository.close()
        for phone in (self.customer, self.cloud):
            phone.socket.close()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with closing(Line(tmp_path)) as made, made.daemon:
        yield made


def test_a_good_call(line: Line) -> None:
    """Fetched once, verified twice; the called side is told, and nobody sees a header that the customer didn't write."""
    line.start()
    leaf = line.serve()
    for _ in range(2):
        value = line.identity(leaf)
        line.call(value)
        seen = line.cloud.hear()
        assert f"From: <sip:+{OWN};verstat=TN-Validation-Passed@" in seen and f"Identity: {value}" in seen
    assert line.repository.asked == ["/a.pem"]
    status = line.daemon.status()
    assert status["stir"]["verified"] == {"passed": 2}
    assert status["stir"]["certificates"]["fetched"] == 1 and status["counters"]["missing"] == 0


def test_each_fault_has_its_code(line: Line) -> None:
    line.start(unavailable="reject")
    leaf, strange = line.serve(), line.serve("/strange.pem", Authority())
    other = line.authority.leaf()
    for value, answer in (
        (None, "428 Use Identity Header"),
        ("nonsense", "438 Invalid Identity Header"),
        (line.identity(other), "438 Invalid Identity Header"),
        (line.identity(leaf, orig="12125000002"), "438 Invalid Identity Header"),
        (line.identity(leaf, dest="13475550199"), "438 Invalid Identity Header"),
        (line.identity(leaf, age=100), "403 Stale Date"),
        (line.identity(leaf, age=-100), "403 Stale Date"),
        (line.identity(strange, "/strange.pem"), "437 Unsupported Credential"),
        (line.identity(leaf, "/none.pem"), "436 Bad Identity Info"),
        (
            sign.shaken(leaf.key, "http://a.example/b", OWN, FAR, "A", uuid4(), int(time.time())),
            "436 Bad Identity Info",
        ),
        (sign.shaken(leaf.key, "https://169.254.169.254/b", OWN, FAR, "A", uuid4(), int(time.time())), "436 Bad"),
    ):
        line.call(*([value] if value else []))
        assert line.customer.start().startswith(f"SIP/2.0 {answer}"), value
    line.call("nonsense", line.identity(leaf))
    assert "verstat=TN-Validation-Passed" in line.cloud.hear(), "one good header is enough"


def test_tag_passes_and_tells(line: Line) -> None:
    line.start("tag")
    leaf = line.serve()
    line.call(line.identity(leaf, age=100))
    seen = line.cloud.hear()
    assert "verstat=TN-Validation-Failed" in seen
    assert 'Reason: STIR;cause=403;text="Stale Date"' in line.answer(seen, "180 Ringing")
    line.call()
    assert "verstat=No-TN-Validation" in line.cloud.hear()
    line.call(line.identity(leaf))
    assert "Reason" not in line.answer(line.cloud.hear(), "180 Ringing")


@pytest.mark.parametrize("unavailable", ["pass", "reject"])
def test_a_dead_host(line: Line, unavailable: str) -> None:
    """Within two seconds and a bit the call goes on, or is refused; meanwhile others pass, copies and CANCEL are answered."""
    line.start(unavailable=unavailable)
    leaf = line.serve()
    line.call(line.identity(leaf))
    line.cloud.hear()

    text = line.invite(line.identity(leaf, "/hang"))
    began = time.monotonic()
    line.send(text)
    line.send(text)
    assert line.customer.start() == "SIP/2.0 100 Trying"
    line.call(line.identity(leaf))
    assert "verstat=TN-Validation-Passed" in line.cloud.hear() and time.monotonic() - began < 1.5
    if unavailable == "pass":
        assert "verstat=No-TN-Validation" in line.cloud.hear()
    else:
        assert line.customer.start() == "SIP/2.0 436 Bad Identity Info"
    assert 1.5 < time.monotonic() - began < 4


def test_a_cancel_while_the_fetch_hangs(line: Line) -> None:
    line.start()
    text = line.invite(line.identity(line.serve(), "/hang"))
    line.send(text)
    line.daemon.until(lambda: line.repository.asked)
    cancel = "\r\n".join(
        row.replace("INVITE", "CANCEL") for row in text.split("\r\n") if not row.startswith(("Identity:", "Contact:"))
    )
    line.send(cancel)
    assert {line.customer.start()[:11] for _ in range(2)} == {"SIP/2.0 200", "SIP/2.0 487"}
    line.daemon.until(lambda: line.daemon.status()["stir"]["calls"]["gone"] == 1)
    line.cloud.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        line.cloud.hear()


def test_sign_then_verify(line: Line) -> None:
    """What the agent signs is good for whoever verifies it; a call with an Identity of its own keeps that alone."""
    leaf = line.serve()
    line.put("sign.pem", leaf.key_pem)
    line.start("ignore", sign=f'sign = {{key = "file:sign.pem", x5u = "{URL.replace(HOST, "cr.example.net")}/a.pem"}}')
    line.call()
    values, call = message.read(line.cloud.hear().encode(), plan("US"))
    known = load(leaf.pem, [line.authority.root.certificate])
    result = verify.verify(values, call, time.time(), lambda url: known)
    assert (len(values), result.verstat, result.attest) == (1, PASSED, "A")
    line.call("theirs")
    assert line.cloud.hear().count("Identity:") == 1
    assert line.daemon.status()["stir"]["calls"]["signed"] == 1


def test_a_reload_changes_mode_and_roots(line: Line) -> None:
    line.start("ignore")
    leaf = line.serve()
    line.call(line.identity(leaf))
    assert "verstat" not in line.cloud.hear()
    line.configure("require")
    assert line.daemon.command("reload").returncode == 0
    line.call(line.identity(leaf))
    assert "verstat=TN-Validation-Passed" in line.cloud.hear()
    line.put("roots.pem", Authority().root.certificate.public_bytes(Encoding.PEM))
    assert line.daemon.command("reload").returncode == 0
    line.call(line.identity(leaf))
    assert line.customer.start() == "SIP/2.0 437 Unsupported Credential"
    line.put("roots.pem", b"nothing")
    refused = line.daemon.command("reload")
    assert refused.returncode == 1 and "stir.roots" in refused.stderr, "the running roots stay"
    line.call(line.identity(leaf))
    assert line.customer.start() == "SIP/2.0 437 Unsupported Credential"


def test_commands(line: Line) -> None:
    line.start()
    leaf = line.authority.leaf()
    line.put("leaf.pem", leaf.pem)
    done = line.daemon.command("stir", "preload", f"{URL}/by-hand.pem", str(line.folder / "leaf.pem"))
    assert done.returncode == 0 and "CN=SHAKEN 1234 serves for" in done.stdout
    line.call(line.identity(leaf, "/by-hand.pem"))
    assert "verstat=TN-Validation-Passed" in line.cloud.hear() and not line.repository.asked
    listed = json.loads(line.daemon.command("stir", "certificates", "--json").stdout)["certificates"]
    assert [(row["url"], row["origin"], row["state"]) for row in listed] == [(f"{URL}/by-hand.pem", "command", "good")]
    assert "by-hand.pem" in line.daemon.command("stir", "certificates").stdout
    bad = line.daemon.command("stir", "preload", f"{URL}/x.pem", str(line.daemon.config))
    assert bad.returncode == 1 and "certificate-syntax" in bad.stderr
    assert line.daemon.command("stir", "preload", f"{URL}/x.pem", "nowhere.pem").returncode == 1
    assert line.daemon.command("stir", "clear", f"{URL}/by-hand.pem").stdout == "1 forgotten\n"
    assert line.daemon.command("stir", "clear", f"{URL}/by-hand.pem").returncode == 1
    assert "stir  passed 1" in line.daemon.command("status").stdout


def test_a_replayed_token_is_recorded(line: Line) -> None:
    line.start()
    value = line.identity(line.serve())
    for _ in range(4):
        line.call(value)
        line.cloud.hear()
    line.daemon.until(lambda: line.daemon.lines("verdict") and "stir-replay" in line.daemon.text())


def test_kamailio_accepts_what_the_agent_signs(line: Line, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As the cloud: its secsipid module answers 200 to a good Identity header, else 438."""
    leaf = line.authority.leaf()
    peer = Peer(tmp_path_factory.mktemp("kamailio"), leaf)
    try:
        peer.await_ready()
        line.daemon.cloud = Address(*peer.address)
        line.put("sign.pem", leaf.key_pem)
        line.start("ignore", sign='sign = {key = "file:sign.pem", x5u = "https://cr.example.net/a.pem"}')
        line.call()
        assert line.customer.start() == "SIP/2.0 200 Good"
        line.put("sign.pem", line.authority.leaf().key_pem)
        assert line.daemon.command("reload").returncode == 0
        line.call()
        assert line.customer.start() == "SIP/2.0 438 Invalid Identity Header"
    finally:
        peer.close()
