"""A pump on wildcard listeners, for test_wildcards: ``python -m tests.e2e.wildcards``, in a network namespace of its own.

The agent listens on every address and has three of each family. A customer
calls each of them, good and forged calls in turn and many at once; what
answers, what reaches the cloud and what comes back from it are printed as
JSON, each with the address that it left from.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from edge_agent import _hot
from edge_agent.listeners import Listeners
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import load

PORT, PARTY = 5060, 5070
OURS = {4: ("192.0.2.1", "192.0.2.2", "127.0.0.1"), 6: ("2001:db8::1", "2001:db8::2", "::1")}
TRUNK = {4: "198.51.100.10", 6: "2001:db8:a::10"}
CLOUD = {4: "192.0.2.60", 6: "2001:db8::60"}
EACH = 9  # calls to each address

POLICY = """
[agent]
state_dir = "{folder}"
aliases = ["192.0.2.1", "192.0.2.2", "127.0.0.1", "[2001:db8::1]", "[2001:db8::2]", "[::1]"]
[keys]
grace = "0s"
[[listen]]
address = "0.0.0.0:5060"
advertise = "sbc.example.net:5060"
[[listen]]
address = "[::]:5060"
advertise = "sbc.example.net:5060"
[[upstream]]
name = "cloud4"
targets = ["192.0.2.60:5070"]
probe_every = "0s"
[[upstream]]
name = "cloud6"
targets = ["[2001:db8::60]:5070"]
probe_every = "0s"
[[trunk]]
name = "acme4"
sources = ["198.51.100.10"]
upstream = "cloud4"
contact = ["198.51.100.10:5070"]
caller_ids = ["+1212555*"]
calls_per_second = 1000
burst = 1000
[[trunk]]
name = "acme6"
sources = ["2001:db8:a::10"]
upstream = "cloud6"
contact = ["[2001:db8:a::10]:5070"]
caller_ids = ["+1212555*"]
calls_per_second = 1000
burst = 1000
"""


def invite(version: int, to: str, number: int) -> bytes:
    """Every third one is forged."""
    host, called = (f"[{name}]" if version == 6 else name for name in (TRUNK[version], to))
    caller = "+14155552671" if number % 3 == 2 else f"+1212555{number:04d}"
    head = (
        f"INVITE sip:+442071838750@{called}:{PORT} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{PARTY};rport;branch=z9hG4bKwild{version}{number}-{to.replace(':', '')}\r\n"
        f"From: <sip:{caller}@acme.example>;tag=t{number}\r\nTo: <sip:+442071838750@{called}>\r\n"
        f"Call-ID: {to}-{number}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nSubject: {'x' * (number * 40)}\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    return head.encode()


def ringing(request: bytes) -> bytes:
    """The cloud's answer, by the Vias as they came."""
    lines = request.decode().split("\r\n")
    kept = [line for line in lines if line.startswith(("Via:", "From:", "Call-ID:", "CSeq:"))]
    to = next(line for line in lines if line.startswith("To:"))
    return "\r\n".join(["SIP/2.0 180 Ringing", *kept, f"{to};tag=cloud", "Content-Length: 0", "", ""]).encode()


def bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, PARTY))
    sock.settimeout(10)
    return sock


def heard(sock: socket.socket, count: int) -> list[tuple[bytes, str]]:
    found = [sock.recvfrom(65535) for _ in range(count)]
    return [(data, source[0]) for data, source in found]


def told(found: list[tuple[bytes, str]]) -> list[list[str]]:
    """Called address (out of the Call-ID), first line, and where it came from."""
    rows = []
    for data, source in found:
        lines = data.decode().split("\r\n")
        call = next(line for line in lines if line.startswith("Call-ID: "))[9:]
        rows.append([call.rpartition("-")[0], lines[0], source])
    return rows


def main() -> None:
    # The agent's own addresses; and the others' beside them, since it all is one host.
    for host in (*OURS[4], *OURS[6], *TRUNK.values(), *CLOUD.values()):
        subprocess.run(["ip", "address", "replace", host, "dev", "lo"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.toml"
        path.write_text(POLICY.format(folder=folder))
        policy = compile_policy(load(path), 1)
    engine = _hot.Engine(secret=bytes(32), rates_mib=1, transactions_mib=1, leases_mib=1)
    engine.publish(policy)
    parties = {version: (bound(TRUNK[version]), bound(CLOUD[version])) for version in (4, 6)}
    opened = Listeners([("0.0.0.0", PORT), ("::", PORT)], 1)
    pump = threading.Thread(
        target=engine.pump,
        args=(
            0,
            *([(sock.fileno(), at) for at, sock in enumerate(row)] for row in (opened.sockets[0], opened.strangers[0])),
        ),
    )
    result: dict[str, object] = {}
    for version, (trunk, _) in parties.items():
        for number in range(EACH):
            for to in OURS[version]:
                trunk.sendto(invite(version, to, number), (to, PORT))
    pump.start()
    try:
        for version, (trunk, cloud) in parties.items():
            forged = len(OURS[version]) * (EACH // 3)
            good = len(OURS[version]) * EACH - forged
            answers, calls = heard(trunk, forged), heard(cloud, good)
            for data, source in calls:
                cloud.sendto(ringing(data), (source, PORT))
            back = heard(trunk, good)
            result[f"v{version}"] = {"answers": told(answers), "calls": told(calls), "back": told(back)}
    finally:
        engine.stop()
        pump.join()
    counters = engine.counters()
    result["send_errors"] = counters["send_errors"]
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
