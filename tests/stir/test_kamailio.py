"""Kamailio's secsipid module as a peer: it accepts what we sign, and we accept what it signs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent.numbering.plans import plan
from edge_agent.stir import message
from edge_agent.stir.verify import verify
from tests.ca import Identity
from tests.stir.conftest import World

KAMAILIO = "/usr/sbin/kamailio"
INVITE = (
    "INVITE sip:+12125550100@{peer} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {here};branch=z9hG4bK{number}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:+12025550143@{here}>;tag=1\r\n"
    "To: <sip:+12125550100@{peer}>\r\n"
    "Call-ID: kamailio-{number}\r\nCSeq: 1 INVITE\r\n"
    "{identity}"
    "Contact: <sip:{here}>\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Peer:
    """A Kamailio process and the socket that talks to it."""

    def __init__(self, folder: Path, signer: Identity) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.address: tuple[str, int] = probe.getsockname()
        (folder / "key.pem").write_bytes(signer.key_pem)
        public = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / "public.pem").write_bytes(public)
        text = (Path(__file__).parent / "secsipid.cfg").read_text()
        for word, value in (("AGENT", self.peer), ("TESTER", self.here), ("FOLDER", str(folder))):
            text = text.replace(word, value)
        (folder / "kamailio.cfg").write_text(text)
        arguments = ["-f", "kamailio.cfg", "-DD", "-E", "-m", "16", "-M", "8", "-w", folder, "-Y", folder]
        self.log = (folder / "kamailio.log").open("wb")
        self.process = subprocess.Popen(
            [KAMAILIO, *map(str, arguments)], cwd=folder, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self._number = 0

    @property
    def here(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    @property
    def peer(self) -> str:
        return "{}:{}".format(*self.address)

    def send(self, identity: str = "") -> bytes:
        """An INVITE; what comes back, the reply or the INVITE with a header more."""
        self._number += 1
        text = INVITE.format(peer=self.peer, here=self.here, number=self._number, identity=identity)
        self.socket.sendto(text.encode(), self.address)
        return self.socket.recv(65535)

    def await_ready(self) -> None:
        self.socket.settimeout(0.3)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.send()
            except OSError:
                continue
            self.socket.settimeout(5)
            self._drain()
            return
        pytest.fail(f"kamailio doesn't answer: {Path(self.log.name).read_text()[-2000:]}")

    def _drain(self) -> None:
        """What the tries before the first answer left behind."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(65535)
        except BlockingIOError:
            self.socket.settimeout(5)

    def close(self) -> None:
        # Killed with its children: asked to end, Kamailio may wait a minute for one that doesn't.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.socket.close()
        self.log.close()


@pytest.fixture
def signer(world: World) -> Identity:
    return world.serve(world.authority.leaf())


@pytest.fixture
def peer(tmp_path: Path, signer: Identity) -> Iterator[Peer]:
    if shutil.which(KAMAILIO) is None:
        pytest.fail("kamailio is missing; make test installs it")
    running = Peer(tmp_path, signer)
    try:
        running.await_ready()
        yield running
    finally:
        running.close()


def test_both_ways(world: World, signer: Identity, peer: Peer) -> None:
    world.now = time.time()
    good = world.shaken(signer)
    assert peer.send(f"Identity: {good}\r\n").startswith(b"SIP/2.0 200 Good")
    other = world.shaken(world.authority.leaf())
    assert peer.send(f"Identity: {other}\r\n").startswith(b"SIP/2.0 438")

    values, call = message.read(peer.send(), plan("US"))
    result = verify(values, call, time.time(), world.credential)
    assert (result.verstat, result.attest) == ("TN-Validation-Passed", "B")
