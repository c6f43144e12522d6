"""What the benchmarks send, and the policy they send it through.

An INVITE of a usual size with SDP, in five kinds; the policy gives every rule
work and lets no limit stop the load. It measures nothing itself.
"""

from __future__ import annotations

from pathlib import Path

from edge_agent._hot import Batch, Engine
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import load as load_policy
from edge_agent.rules import RULES

# Customers' calls: good, with a caller that isn't theirs, to 911 without the right to, from a
# scanner. Strangers' calls: of many sources within their budgets, and of one that is over its own.
KINDS = ("good", "forged", "emerg", "scan", "unknown", "flood")
SLOTS = 64
SECOND = 1_000_000_000
# Longer than a transaction is remembered and a call may ring: the same message is then a new call.
FORGET = 250 * SECOND

# The rules that judge a trunk's call by itself; all others can be turned off, so that their cost shows.
BASE = (
    "interface",
    "dialog",
    "scanner",
    "trunk-rate",
    "caller-format",
    "caller-owned",
    "caller-consistent",
    "caller-anonymous",
)

TRUNK = ("127.0.0.10", 5070)

SDP = (
    "v=0\r\no=- 7163920458 7163920458 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)

INVITE = (
    "INVITE sip:{callee}@cloud.example.net:5060;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {ip}:{port};rport;branch=z9hG4bK-bench-{number:x}\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Service Desk" <sip:{caller}@customer.example.com;user=phone>;tag=bench{number:x}\r\n'
    "To: <sip:{callee}@cloud.example.net;user=phone>\r\n"
    "Call-ID: bench-{number:x}@customer.example.com\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:{caller}@{ip}:{port};transport=udp>\r\n"
    "P-Asserted-Identity: <sip:{caller}@customer.example.com;user=phone>\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, UPDATE, PRACK\r\n"
    "Supported: 100rel, timer, replaces\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Subject: {subject}\r\n"
    "User-Agent: {agent}\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)

POLICY = """
[agent]
name = "bench"
state_dir = "{folder}"

[keys]
grace = "0s"

[[listen]]
address = "127.0.0.1:5060"

[[upstream]]
name = "cloud"
targets = ["127.0.0.1:5080"]
domains = ["cloud.example.net"]
probe_every = "0s"

[[trunk]]
name = "acme"
sources = ["{trunk}/32"]
upstream = "cloud"
contact = ["{trunk}:5070"]
caller_ids = ["file:owned.txt"]
calls_per_second = 1000000
burst = 1000000
concurrent_calls = 1000000

# One customer who calls one number, as in a comparison of whole daemons.
[rules.caller-rate]
per_second = 1000000
burst = 1000000
[rules.callee-rate]
per_second = 1000000
burst = 1000000
"""


def owned_number(number: int) -> str:
    """The n-th number of the trunk: assignable, and never next to another, so that none melt into a range."""
    area, line = divmod(number * 3, 8_000)
    block, area_step = area % 80, area // 80
    return f"+1{212 + 2 * area_step}{620 + block}{line + 1000:04d}"


def message(kind: str, number: int, owned: int) -> bytes:
    """One INVITE; equal numbers give equal bytes, so that a run can be repeated."""
    caller = owned_number(number * 7919 % owned)
    if kind == "forged":
        caller = f"+1312620{number % 9000 + 1000:04d}"
    ip, port = source(kind, number)
    subject = "minutes of the quarterly service review with all of its annexes"[: 8 + number * 37 % 56]
    return INVITE.format(
        callee="911" if kind == "emerg" else "+442071838750",
        caller=caller,
        ip=ip,
        port=port,
        number=number,
        subject=subject.strip(),
        agent="friendly-scanner" if kind == "scan" else "Acme-SBC/9.1",
        length=len(SDP),
        body=SDP,
    ).encode()


def source(kind: str, number: int) -> tuple[str, int]:
    """Where a message comes from. Strangers live in the network that is set apart for benchmarks (RFC 2544)."""
    if kind == "unknown":
        return f"198.18.{number >> 8 & 255}.{number & 255}", 5070
    return ("198.19.0.1", 5070) if kind == "flood" else TRUNK


def load(kind: str, count: int, owned: int) -> list[tuple[bytes, tuple[str, int]]]:
    """``count`` different messages of one kind, with their sources."""
    return [(message(kind, number, owned), source(kind, number)) for number in range(count)]


def fill(batch: Batch, messages: list[tuple[bytes, tuple[str, int]]]) -> None:
    """Puts them into the one batch that is used over and over, as a pump does with what it receives."""
    batch.clear()
    for data, sender in messages:
        batch.add(data, sender)


def engine(owned: int, folder: Path, *, base: bool = False) -> Engine:
    """An engine with that policy and a trunk of ``owned`` numbers; with ``base`` only the structural rules and those of BASE are on."""
    (folder / "owned.txt").write_text("\n".join(map(owned_number, range(owned))))
    policy = folder / "policy.toml"
    text = POLICY.format(folder=folder, trunk=TRUNK[0])
    off = [rule for rule in RULES if rule.built and not rule.structural and rule.name not in BASE]
    if base:
        for rule in off:
            text += f'[{"trunk." * ("T" in rule.directions)}rules.{rule.name}]\nmode = "off"\n'
    policy.write_text(text)
    made = Engine(secret=bytes(range(32)))
    made.publish(compile_policy(load_policy(policy), generation=1))
    return made
