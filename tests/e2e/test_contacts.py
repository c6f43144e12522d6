"""Contacts of a trunk that are probed: calls from the cloud go to the one that lives."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.e2e.daemon import Caller, Daemon
from tests.e2e.sipp import free_address


def test_a_call_goes_to_the_contact_that_lives(tmp_path: Path) -> None:
    dead, alive = free_address("127.0.0.10"), free_address("127.0.0.10")
    with Daemon(tmp_path) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
        pbx.bind(alive)
        pbx.settimeout(10)
        text = daemon.config.read_text()
        contacts = f'contact = ["{dead}", "{alive}"]\nprobe_every = "200ms"'
        daemon.config.write_text(text.replace('contact = ["127.0.0.10:5060"]', contacts))
        daemon.start()
        daemon.until(lambda: daemon.lines("target-down"))
        assert daemon.lines("target-down")[0]["target"] == str(dead)
        with Caller(daemon.cloud.host, daemon.agent) as cloud:
            cloud.invite(caller="+13475550123", called="+12125000001")
            while (data := pbx.recv(65536)).startswith(b"OPTIONS "):
                pass
        assert data.startswith(f"INVITE sip:+12125000001@{alive} SIP/2.0\r\n".encode())
