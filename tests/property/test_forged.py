"""Whatever is sent from forged addresses: no report names a peer's network, nor a caller who didn't send it himself.

The forger has every address and port, sees nothing that is sent to others, and
has a host and an account of his own, so he may use tags, nonces and answers
that he was given there. The callers in whose names he sends have logged in and
been refused a call, and acknowledged it: they are as proven as can be.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent import ACME, BETA, CLOUD, PSAP, Agent, Decision, inbound, invite, request
from tests.proxy.callers import ROOMY, ack, call, challenge, credentials, log_in, open_policy, prove, register
from tests.proxy.message import Message, Source, response

OWN_HOST = ("203.0.113.200", 5060)
VICTIMS: list[Source] = [("203.0.113.66", 5060), ("203.0.113.66", 4000), ("2001:db8:7:1::5", 5060)]
PEERS: list[Source] = [BETA, PSAP, ("192.0.2.1", 5060), ("2001:db8:9:1::b", 5060), ("2001:db8:9:1::c", 5060), ACME]
FORGED = [*VICTIMS, *PEERS, ("192.0.2.60", 9)]
SPARED = [*(host for host, _ in VICTIMS), "198.51.100.11", "192.0.2.61", "192.0.2.60", "192.0.2.1", "2001:db8:9:1::b"]
KINDS = [
    "invite",
    "scanner",
    "refused",
    "ack",
    "register",
    "login",
    "replay-ack",
    "replay-login",
    "garbage",
    "reply",
    "in",
]
TEXT = open_policy(rules=ROOMY + "[bans]\nstrikes = 2\n[rules.sweep]\ntargets = 2\n[rules.auth-abuse]\nfailures = 2\n")
TEXT = TEXT.replace('"198.51.100.11/32"', '"198.51.100.11/32", "2001:db8:9:1::b/128"')
PORTED = TEXT.replace("open = true", "open = true\nports = [5060]")

steps = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(FORGED),
        st.sampled_from(["200 OK", "404 No", "401 No", "407 No", "403 No"]),
    ),
    min_size=5,
    max_size=60,
)


class Forger:
    """What he has learnt at his own host."""

    def __init__(self, text: str) -> None:
        self.party = Agent(text)
        self.acks: list[Message] = []
        self.logins: list[Message] = []
        self.answers: list[Message] = []

    def cloud(self, asked: Decision, status: str, nonce: str) -> None:
        """The cloud answers what reached it, by itself: he doesn't choose when it lets somebody in without credentials."""
        if asked.action != "forward" or asked.to != CLOUD:
            return
        answer = response(asked.message, status, "cloud")
        if status[:3] in ("401", "407"):
            answer = Message(answer.start, (*answer.headers[:-1], challenge(nonce), answer.headers[-1]))
        told = self.party.send(answer, CLOUD)
        if told.to == OWN_HOST:
            self.answers.append(answer)

    def step(self, number: int, kind: str, source: Source, status: str) -> None:
        secret, own = f"secret{number}", f"own{number}"
        if kind == "refused":
            sent = invite("+14155552671")
            self.party.send(sent, source)
            told = self.party.send(sent, OWN_HOST)
            if told.action == "answer":
                self.acks.append(ack(sent, told))
        elif kind in ("ack", "replay-ack"):
            for one in self.acks:
                self.party.send(one, source)
        elif kind == "login":
            # Challenged at his own host, he knows that nonce; in the other's name he'd need the other's.
            asked = self.party.send(register("x"), OWN_HOST)
            self.cloud(asked, "401 No", own)
            self.logins.append(register("x", credentials(own)))
            self.cloud(self.party.send(register("x", credentials(own)), source), status, secret)
        elif kind == "replay-login":
            for one in self.logins:
                self.cloud(self.party.send(one, source), status, secret)
        elif kind == "reply":
            for one in self.answers:
                self.party.send(one, source)
        elif kind == "garbage":
            self.party.send(b"\xff" * 40, source)
        else:
            sent = call(str(number))
            if kind == "scanner":
                sent = call("x", ("User-Agent", "friendly-scanner"))
            elif kind == "register":
                sent = register(f"u{number}")
            elif kind == "in":
                sent = inbound()
            told = self.party.send(sent, source)
            if kind == "scanner" and told.to == OWN_HOST:
                self.acks.append(ack(sent, told))
            self.cloud(told, status, secret)


def reported(forger: Forger) -> list[str]:
    return [strike.network for strike in forger.party.engine.strikes()]


@settings(max_examples=80)
@given(steps, st.booleans(), st.booleans())
def test_nobody_is_struck_on_the_word_of_a_forger(
    sequence: list[tuple[str, Source, str]], ported: bool, proven: bool
) -> None:
    forger = Forger(PORTED if ported else TEXT)
    for victim in VICTIMS if proven else []:
        if ported and victim[1] != 5060:
            continue
        log_in(forger.party, victim)
        prove(forger.party, victim)
        assert reported(forger) == []
    for number, (kind, source, status) in enumerate(sequence):
        for _ in range(3):
            forger.step(number, kind, source, status)
        forger.party.wait(0.5)
    for network in reported(forger):
        assert not [host for host in SPARED if ip_address(host) in ip_network(network)], network


def test_the_same_does_strike_its_own_host() -> None:
    """So that the property isn't true of an agent that strikes nobody."""
    forger = Forger(TEXT)
    for number in range(6):
        for kind in ("scanner", "ack", "login"):
            forger.step(number, kind, OWN_HOST, "401 No")
    assert set(reported(forger)) == {"203.0.113.200/32"}
    forger.party.send(request("OPTIONS", "sip:192.0.2.1", "x"), OWN_HOST)
