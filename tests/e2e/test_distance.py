"""A trunk's distance on real sockets: packets in its name with another TTL are refused once its own is known."""

from __future__ import annotations

import re
import socket
from itertools import count
from pathlib import Path

from tests.e2e.daemon import Daemon

OWN, FOREIGN = "+12125001001", "+14155550123"
TRUNK = """
[[trunk]]
name = "afar"
sources = ["127.0.2.1/32"]
upstream = "cloud"
contact = ["127.0.2.1:5060"]
caller_ids = ["+12125001000..+12125001999"]
distance = "{}"
"""
_numbers = count(1)


class Customer:
    """One socket of the trunk's address, its packets with a TTL of the test's."""

    def __init__(self, daemon: Daemon) -> None:
        self.agent = daemon.agent
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.2.1", 0))
        self.socket.settimeout(10)

    def ask(self, method: str, caller: str, ttl: int, number: int = 0, to: str = "<sip:+13475550123@cloud>") -> None:
        number = number or next(_numbers)
        host, port = self.socket.getsockname()
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        text = (
            f"{method} sip:+13475550123@{self.agent} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKd{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{caller}@pbx>;tag=t{number}\r\nTo: {to}\r\nCall-ID: {number}@pbx\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:{host}:{port}>\r\nContent-Length: 0\r\n\r\n"
        )
        self.socket.sendto(text.encode(), self.agent)

    def answer(self) -> str:
        return self.socket.recv(65536).decode()

    def prove(self, ttl: int) -> None:
        """A refused call whose ACK carries the To tag that only this address was told."""
        number = next(_numbers)
        self.ask("INVITE", FOREIGN, ttl, number)
        to = re.search(r"^To: (.*)\r$", self.answer(), re.MULTILINE)
        assert to is not None
        self.ask("ACK", FOREIGN, ttl, number, to[1])


def test_another_ttl_is_another_sender(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as cloud:
        cloud.bind(daemon.cloud)
        cloud.settimeout(10)
        daemon.configure(more=TRUNK.format("ignore"))
        daemon.start()
        daemon.configure(more=TRUNK.format("enforce"))
        assert daemon.command("reload").returncode == 0
        customer = Customer(daemon)
        customer.prove(64)
        customer.ask("INVITE", OWN, 50)
        assert customer.answer().startswith("SIP/2.0 403 Source Not Recognised")
        customer.ask("INVITE", OWN, 64)
        assert cloud.recv(65536).startswith(b"INVITE ")
        daemon.until(lambda: [line for line in daemon.lines() if line.get("reason") == "source-hops"])
        customer.socket.close()
