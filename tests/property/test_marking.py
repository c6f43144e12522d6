"""Whatever a request claims, what goes on is what the plain reading of the rule leaves of it, and so is what is refused."""

from __future__ import annotations

import random
import re
from collections import Counter
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.rules.forged_marking import MARKINGS
from tests.agent import ACME, CLOUD, FOREIGN, OWN, OWN2, Agent, inbound, invite, policy
from tests.oracle.marking import CALLERS, addresses, markings
from tests.proxy.message import Header, Message, Source

LOOKED = (*CALLERS, "priority", "p-charge-info", "resource-priority", "require", "subject")
PARAMS = [
    "verstat=TN-Validation-Passed", "verstat", "VERSTAT=x", "%76erstat=1", "ver%53tat", "verstatus=1", "x=1",
    "npdi", "verstat=a&b", "%77erstat=1", "verstat-x",
]  # fmt: skip
USER_ONLY = ["verstat=", "verstat=a,b", "verstat=a/b?c", "isub=a:b"]
BEHIND = [
    "verstat=x", " verstat = x", "\r\n verstat", 'verstat="a;b, c"', 'x="y;verstat=z"', "VerStat", "party=calling",
    "verstat_x=1", 'x="\\";verstat=1"',
]  # fmt: skip
NAMES = ["", "Ann ", '"Ann, B; verstat=x" ', '"<sip:x@y>" ']
SPACES = ["ets.0", "ETS.1", "local.1", "LOCAL.2", "esnet.4", "dsn-000001.x", "dsn-00001.x", "x", ".1", "a.b.c", "wps."]
choices = st.randoms(use_true_random=False)


def params(rng: random.Random, pool: list[str], most: int = 4) -> str:
    return "".join(";" + rng.choice(pool) for _ in range(rng.choice([0, 0, 0, 1, 2, most])))


def address(rng: random.Random, number: str) -> str:
    """A name-addr of a number, or of a name."""
    user = rng.choice([number, number, number[1:], "reception"])
    if rng.randrange(3) == 0 and user != "reception":
        uri = f"tel:{number}{params(rng, PARAMS)}"
    else:
        password = rng.choice(["", "", "", ":secret", ":a;verstat=b"])
        uri = f"sip:{user}{params(rng, PARAMS + USER_ONLY)}{password}@{rng.choice(['x.example', '[2001:db8::1]:5070'])}"
        uri += params(rng, PARAMS)
    return f"{rng.choice(NAMES)}<{uri}>{params(rng, BEHIND)}"


def asserted(rng: random.Random, name: str) -> list[Header]:
    """Up to one sip and one tel value, in one row or two."""
    values = [one for one in (address(rng, rng.choice([OWN, OWN2])) for _ in range(rng.randrange(3)))]
    if len(values) == 2 and ("<tel:" in values[0]) == ("<tel:" in values[1]):
        values.pop()
    rows = [f"{rng.choice([',', ' , ', ',  '])}".join(values)] if rng.randrange(2) and values else values
    return [(name, row) for row in rows]


def rows_of(rng: random.Random) -> list[Header]:
    rows = [*asserted(rng, "P-Asserted-Identity"), *(asserted(rng, "P-Preferred-Identity") if rng.randrange(2) else [])]
    for name in ("Remote-Party-ID", "Diversion", "History-Info"):
        if rng.randrange(4) == 0:
            rows.append((name, ", ".join(address(rng, OWN) for _ in range(rng.randrange(1, 3)))))
    if rng.randrange(3) == 0:
        rows.append(("Priority", rng.choice(["emergency", "EMERGENCY", "psap-callback", "normal", '"emergency"', ""])))
    if rng.randrange(4) == 0:
        rows.append(("P-Charge-Info", f"<tel:{OWN}>"))
    if rng.randrange(4) == 0:
        rows += [(rng.choice(["X-Edge-A", "x-edge-b", "X-Edge", "X-EDGE-"]), "1") for _ in range(rng.randrange(1, 4))]
    if rng.randrange(4) == 0:
        for _ in range(rng.randrange(1, 3)):
            rows.append(("Resource-Priority", ", ".join(rng.choice(SPACES) for _ in range(rng.choice([1, 1, 2, 9])))))
        rows += [("Require", "100rel, resource-priority")] if rng.randrange(2) else []
    rows.append(("Subject", ";verstat=x"))
    rng.shuffle(rows)
    return rows


@cache
def party(asserts: tuple[str, ...], upstream: bool) -> Agent:
    rights = f"asserts = {list(asserts)}"
    rules = "\n".join(
        f'[rules.{rule}]\nmode = "off"'
        for rule in ("caller-anonymous", "display-name", "caller-format", "own-number-inbound")
    )
    return Agent(policy("" if upstream else rights, cloud=rights if upstream else "", rules=rules))


def checked(one: str) -> bool:
    """The numbers used here are acme's; a name is nobody's."""
    return "reception" not in one


def looked(message: Message) -> list[tuple[str, list[str]]]:
    """The rows that the rule is about, with their addresses and without folds and blanks around them."""
    rows = [(name.strip().lower(), re.sub(r"\r\n[ \t]+|[ \t]+", " ", value)) for name, value in message.headers]
    return [
        (name, addresses(value) if name in CALLERS and "<" in value else [value.strip()])
        for name, value in rows
        if name in LOOKED or name.startswith("x-edge")
    ]


def test_what_goes_on_is_what_the_rule_leaves() -> None:
    tally: Counter[str] = Counter()
    for source in (ACME, CLOUD):
        left(source, tally)
    # So that the property isn't true of messages without markings only.
    kinds = ["internal", "asserted", "verstat", "priority", "charge"]
    wanted = {f"marking-{kind}" for kind in kinds} | {"forward pass", "403 marking-resource"}
    assert wanted | {"400 marking-repeated", "417 marking-unknown"} <= set(tally), tally


@given(rng=choices, rights=st.sets(st.sampled_from(MARKINGS)))
def left(source: Source, tally: Counter[str], rng: random.Random, rights: set[str]) -> None:
    upstream = source == CLOUD
    agent = party(tuple(sorted(rights)), upstream)
    agent.wait(10)
    anonymous = not upstream and rng.randrange(4) == 0
    caller = (
        '"Anonymous" <sip:anonymous@anonymous.invalid>' if anonymous else address(rng, FOREIGN if upstream else OWN)
    )
    if "reception" in caller and not upstream:
        caller = f"<sip:{OWN}@x>"
    sent = inbound(caller, OWN, *rows_of(rng)) if upstream else invite(caller, *rows_of(rng))
    told = agent.send(sent, source)
    expected = markings(sent.headers, rights, (lambda one: False) if upstream else checked, anonymous)
    assert told.rule != "malformed", told.short
    recorded = next((event.finding for event in told.events if "forged-marking" in told.monitored), "")
    tally[recorded or told.short] += 1
    if told.rule == "caller-consistent" or (told.rule == "caller-owned" and "%" in str(sent)):
        # A parameter whose name has escapes makes the number none; whose number it is, is asked before.
        assert told.action == "answer"
    elif expected.refused:
        assert told.reason == expected.reason
    else:
        assert (told.action, told.reason, recorded) == ("forward", "pass", expected.reason), told.short
        assert looked(Message.read(re.sub(rb"\r\n[ \t]+", b" ", told.data))) == looked(
            Message("", tuple(expected.rows))
        )
