"""A pump on real sockets, for test_trains: ``python -m tests.e2e.trains COUNT``.

Sends COUNT calls of different lengths at once, lets them through the engine
and prints, as JSON, what arrived and what the same engine makes of them
without a socket. It runs as a program so that a test can give it a network
namespace of its own.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
from pathlib import Path

from edge_agent import _hot
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import load

POLICY = """
[agent]
state_dir = "{folder}"
[keys]
grace = "0s"
[[listen]]
address = "127.0.0.1:{port}"
[[upstream]]
name = "cloud"
targets = ["127.0.0.1:{cloud}"]
domains = ["cloud.example.net"]
probe_every = "0s"
[[trunk]]
name = "acme"
sources = ["127.0.0.10/32"]
upstream = "cloud"
contact = ["127.0.0.10:5070"]
caller_ids = ["+12125000000..+12125099999"]
calls_per_second = 100000
burst = 100000
"""


def invite(number: int) -> bytes:
    """A call whose length depends on its number, between about 500 and 1,500 bytes."""
    filler = "x" * (number * 37 % 90 + (number // 32 % 2) * 900)
    head = (
        "INVITE sip:+442071838750@cloud.example.net SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.10:5070;rport;branch=z9hG4bKtrain{number}\r\n"
        f"From: <sip:+121250{number:05d}@acme.example>;tag=t{number}\r\nTo: <sip:+442071838750@cloud.example.net>\r\n"
        f"Call-ID: train-{number}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nSubject: {filler}\r\nContent-Length: 0\r\n\r\n"
    )
    return head.encode()


def bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((host, 0))
    sock.settimeout(5)
    return sock


def main(count: int) -> None:
    own, cloud, trunk = bound("127.0.0.1"), bound("127.0.0.1"), bound("127.0.0.10")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.toml"
        path.write_text(POLICY.format(folder=folder, port=own.getsockname()[1], cloud=cloud.getsockname()[1]))
        policy = compile_policy(load(path), 1)
    engine = _hot.Engine(secret=bytes(32), rates_mib=1, transactions_mib=1, leases_mib=1)
    engine.publish(policy)
    sent = [invite(number) for number in range(count)]
    for data in sent:
        trunk.sendto(data, own.getsockname())
    pump = threading.Thread(target=engine.pump, args=(0, [(own.fileno(), 0)]))
    pump.start()
    try:
        arrived = [cloud.recv(65535) for _ in sent]
    finally:
        engine.stop()
        pump.join()
    batch, out, expected = _hot.Batch(), _hot.OutBatch(), []
    for data in sent:
        batch.clear()
        batch.add(data, trunk.getsockname())
        engine.process(batch, 10**15, out)
        expected.append(out[0][0])
    json.dump(
        {
            "arrived": [data.decode() for data in arrived],
            "expected": [data.decode() for data in expected],
            "send_errors": engine.counters()["send_errors"],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
