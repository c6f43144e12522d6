"""Sends signed INVITEs at a steady rate: ``python -m tests.flood.signer --key FILE --url URL --rate 2000 --count 10000``.

64 callers with a token each, signed at start; every call has its own Call-ID and
branch. What comes back is not read. Prints how many were sent, as JSON.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
from pathlib import Path
from uuid import UUID

from edge_agent.stir import sign

CALLERS = 64
CALLED = "442071838750"
ORIGID = UUID(int=0x7B1C3F0E5A0D4A8E9D430123456789AB)


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m tests.flood.signer", description=__doc__)
    ask.add_argument("--key", type=Path, required=True)
    ask.add_argument("--url", required=True)
    ask.add_argument("--first", type=int, required=True, help="the first caller, digits without +")
    ask.add_argument("--source", required=True)
    ask.add_argument("--target", required=True)
    ask.add_argument("--rate", type=float, required=True)
    ask.add_argument("--count", type=int, required=True)
    chosen = ask.parse_args()
    key = sign.load_key(chosen.key.read_bytes())
    host, _, port = chosen.target.partition(":")
    own, _, own_port = chosen.source.partition(":")
    texts = []
    for number in range(CALLERS):
        caller = str(chosen.first + number)
        token = sign.shaken(key, chosen.url, caller, CALLED, "A", ORIGID, int(time.time()))
        texts.append(
            f"INVITE sip:+{CALLED}@cloud.example.net SIP/2.0\r\nVia: SIP/2.0/UDP {chosen.source};rport;branch=z9hG4bKsigned%d\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:+{caller}@{own}>;tag=s%d\r\nTo: <sip:+{CALLED}@cloud.example.net>\r\n"
            f"Call-ID: signed%d@{own}\r\nCSeq: 1 INVITE\r\nContact: <sip:{chosen.source}>\r\nIdentity: {token}\r\n"
            "Content-Length: 0\r\n\r\n"
        )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((own, int(own_port)))
        began = time.monotonic()
        for number in range(chosen.count):
            sock.sendto((texts[number % CALLERS] % (number, number, number)).encode(), (host, int(port)))
            ahead = began + (number + 1) / chosen.rate - time.monotonic()
            if ahead > 0.002:
                time.sleep(ahead)
        seconds = time.monotonic() - began
    print(json.dumps({"sent": chosen.count, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
