"""An agent with an open trunk, and what its callers and the cloud say to each other. It holds no test."""

from __future__ import annotations

from itertools import count

from tests.agent import CLOUD, Agent, Decision, invite, policy, request
from tests.proxy.message import Header, Message, Source, response

CALLER, OTHER = ("203.0.113.66", 5060), ("203.0.113.67", 5060)
STRANGER = ("203.0.113.99", 5060)
# What else would find something in the same calls again and again.
QUIET = '[rules.caller-rate]\nmode = "off"\n[rules.callee-rate]\nmode = "off"\n'
_numbers = count(1)


def open_policy(trunk: str = "", *, rules: str = "", agent: str = "", cloud: str = "") -> str:
    """acme as an open trunk beside beta; ``trunk`` goes into its table."""
    methods = 'methods = ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER"]'
    text = policy(
        f"open = true\ncalls_per_second = 1000\nburst = 1000\n{trunk}",
        rules=QUIET + rules,
        agent=agent,
        cloud=methods + cloud,
    )
    return text.replace('sources = ["198.51.100.10/32"]\n', "")


def plain_policy(trunk: str = "", *, rules: str = "") -> str:
    """acme as any trunk, with room for many calls."""
    methods = 'methods = ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER"]'
    return policy(f"calls_per_second = 1000\nburst = 1000\n{trunk}", rules=QUIET + rules, cloud=methods)


ROOMY = "[rules.source-rate]\nper_second = 1000\nburst = 1000\ncalls_per_second = 1000\ncalls_burst = 1000\n"
ROOMY += "site_per_second = 1000\nsite_burst = 1000\nprefix_per_second = 1000\nprefix_burst = 1000\n"
ROOMY += "[rules.trunk-rate]\nregister_per_second = 1000\nregister_burst = 1000\n"


def ask(party: Agent, sent: Message, source: Source, status: str, *more: Header) -> tuple[Decision, Decision]:
    """A request that is forwarded to the cloud, and the cloud's answer: what became of either."""
    asked = party.send(sent, source)
    assert asked.action == "forward", asked.short
    answer = response(asked.message, status, "cloud")
    answer = Message(answer.start, (*answer.headers[:-1], *more, answer.headers[-1]), answer.body)
    told = party.send(answer, CLOUD)
    assert (told.action, told.to) == ("forward", source), told
    return asked, told


def call(number: str, *more: Header) -> Message:
    return invite("+12125552000", *more, uri=f"sip:{number}@cloud.example.net").set(
        "To", f"<sip:{number}@cloud.example.net>"
    )


def register(user: str, *more: Header) -> Message:
    sent = request("REGISTER", "sip:cloud.example.net", f"<sip:{user}@cloud.example.net>", *more)
    return sent.set("To", f"<sip:{user}@cloud.example.net>")


def challenge(nonce: str, *, stale: bool = False, name: str = "WWW-Authenticate") -> Header:
    return name, f'Digest realm="a, nonce=\\"x\\"", nonce="{nonce}", algorithm=MD5{", stale=TRUE" if stale else ""}'


def credentials(nonce: str, user: str = "x", name: str = "Authorization") -> Header:
    return name, f'Digest username="{user}",realm="nonce=1",cnonce="{nonce}x", nonce="{nonce}",uri="sip:c",response="0"'


def ack(sent: Message, refused: Decision) -> Message:
    """The ACK of a refusal of ours."""
    headers = [(name, value) for name, value in sent.headers if name in ("Via", "From", "Call-ID", "Max-Forwards")]
    headers += [("To", refused.message.one("To")), ("CSeq", "1 ACK"), ("Content-Length", "0")]
    return Message(sent.start.replace("INVITE", "ACK"), tuple(headers))


def refused_call(party: Agent, source: Source) -> tuple[Message, Decision]:
    """A call that the agent itself refuses."""
    sent = invite("+14155552671")
    told = party.send(sent, source)
    assert told.short == "403 caller-owned"
    return sent, told


def prove(party: Agent, source: Source) -> None:
    """By an ACK with our To tag."""
    assert party.send(ack(*refused_call(party, source)), source).short == "drop ack-absorbed"


def proven(party: Agent, source: Source) -> bool:
    """Have its calls more than the share of those who proved nothing? The policy is that of ``narrow``."""
    told = ""
    while told != "486 unproven-share":
        number = next(_numbers)
        told = party.send(call("1"), (f"10.{number >> 8}.{number & 255}.1", 5060)).short
    return party.send(call("1"), source).short != "486 unproven-share"


def narrow(trunk: str = "", *, rules: str = "") -> str:
    """An open trunk with room for few calls, half of it for those who proved nothing."""
    text = open_policy(trunk, rules=ROOMY + rules)
    return text.replace("calls_per_second = 1000\nburst = 1000", "calls_per_second = 1\nburst = 20", 1)


def strike_once(party: Agent, source: Source, acked_from: Source | None = None) -> list[str]:
    """Two scanner's calls, enough for a report, and the ACKs of their refusals."""
    for _ in range(2):
        sent = call("x", ("User-Agent", "friendly-scanner"))
        told = party.send(sent, source)
        assert told.reason == "scanner-agent"
        party.send(ack(sent, told), acked_from or source)
    return party.strikes()


def log_in(
    party: Agent, source: Source, *, nonce: str = "", status: str = "200 OK", elsewhere: Source | None = None
) -> None:
    """A challenge, and credentials for it, from another address where one is given."""
    nonce = nonce or f"n{next(_numbers)}"
    ask(party, register("x"), source, "401 Unauthorized", challenge(nonce))
    ask(party, register("x", credentials(nonce)), elsewhere or source, status)
