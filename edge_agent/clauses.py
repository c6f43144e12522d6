"""The provider's acceptable-use policy, clause by clause: what of it signalling can show, and which rules hold it.

The rules say which clauses they serve, and in which mode as they come; this table
says what a clause asks, and of what no rule can see, why. What a rule needs before it
finds anything is told by the default of that setting. ``POLICY.md`` is printed from
here. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel

from edge_agent.policy.sections import Lists
from edge_agent.policy.settings import Trunk
from edge_agent.rules import RULES, Mode, Rule
from edge_agent.rules.destination import DestinationSettings
from edge_agent.rules.display_name import DisplayNameSettings


class Clause(NamedTuple):
    """One clause. ``beyond`` is what an edge can't see or do about it; empty where nothing is left out."""

    number: int
    asks: str
    beyond: str


_MEDIA = "is in the media, which passes beside the agent"

CLAUSES: tuple[Clause, ...] = (
    Clause(1, "use for lawful purposes only", "intent can't be seen in signalling; the other clauses are its traces"),
    Clause(2, "no unlawful or threatening material", f"what is said {_MEDIA}"),
    Clause(3, "no interference with the service's normal operation", ""),
    Clause(4, "no access to non-public areas", "only what is addressed in SIP; other interfaces are elsewhere"),
    Clause(
        5, "no probing, scanning or testing for weaknesses", "a scan of one request a day looks like a wrong number"
    ),
    Clause(6, "no way round authentication", ""),
    Clause(7, "only the interfaces that are provided", ""),
    Clause(8, "no forged TCP/IP headers", "a forged UDP source can't be seen as such: it gets nothing without proof"),
    Clause(9, "no altered, deceptive or false source-identifying information", ""),
    Clause(10, "no interference with any user, host or network", ""),
    Clause(11, "no viruses", f"contents are looked at by type and size only; a virus {_MEDIA}"),
    Clause(12, "no overloading, flooding or spamming", ""),
    Clause(
        13, "no scripts that burden the service", "who dials by machine within the limits isn't told from who doesn't"
    ),
    Clause(14, "no bypassing of security mechanisms", ""),
    Clause(15, "no reverse engineering to evade filters", "a slow walk through parameters looks like mistakes"),
    Clause(
        16, "no exposing the provider to liability, damages or danger", "money lost is the provider's own to reckon"
    ),
    Clause(17, "carrier guidelines and industry standards", "what they ask of more than the signalling of a call"),
    Clause(18, "no misrepresenting a caller's identity", ""),
    Clause(19, "no bypassing of phone identification", "a verification call is a short call like others"),
    Clause(20, "no use of the provider's properties or marks", f"a mark that is spoken {_MEDIA}"),
    Clause(21, "no emergency services unless activated", ""),
    Clause(
        22,
        "anti-spam and telephone consumer protection law",
        "a call's purpose is known by the trunk's class only; abandoned calls aren't counted, since whether somebody speaks"
        " within two seconds of the answer is in the media",
    ),
    Clause(23, "do-not-call law", "whether a caller has consent is not in signalling"),
    Clause(24, "no unsolicited or unwanted calls", "what is unwanted only the called side knows; patterns show it"),
    Clause(
        25,
        "no unsolicited text messages or faxes",
        "nothing shows whether a fax was asked for, so all pass: by T.38 (m=image) as over voice",
    ),
    Clause(26, "text messages of a person-to-person nature", "messages aren't calls; the interface takes none"),
    Clause(27, "no harvesting of phone numbers", "of a website; walking a range of numbers is seen"),
    Clause(28, "no false identity or forged phone number", ""),
    Clause(29, "recording and technical-data law", f"a recording {_MEDIA}"),
    Clause(30, "no disruption of connected networks", ""),
    Clause(31, "nothing the regulator has restricted", "what a regulator restricts outside of signalling"),
    Clause(32, "no use in a manner not authorised", ""),
    Clause(33, "no infringement, libel, discrimination or promotion of illegal acts", f"what is said {_MEDIA}"),
)


class Need(NamedTuple):
    """A setting without which a rule finds nothing."""

    model: type[BaseModel]
    field: str
    until: str

    @property
    def met(self) -> bool:
        """By its default?"""
        return self.model.model_fields[self.field].get_default(call_default_factory=True) not in ([], "", "ignore")


_STIR = Need(Trunk, "stir", "stir is set")
NEEDS: dict[str, Need] = {
    "stir-signature": _STIR,
    "stir-attestation": _STIR,
    "stir-replay": _STIR,
    "do-not-originate": Need(Lists, "do_not_originate", "a list is set"),
    "destination": Need(DestinationSettings, "deny", "deny is set"),
    "do-not-call": Need(Lists, "do_not_call", "there is a list or a request"),
}
NEEDS_FOR: dict[tuple[int, str], Need] = {(20, "display-name"): Need(DisplayNameSettings, "marks", "marks are set")}
"""Of one clause alone."""
_SIDES = {"T": "trunks", "U": "upstreams", "X": "strangers", "O": "callers of open trunks"}


class Default(NamedTuple):
    """What a rule does for a clause as it comes."""

    refuses: bool
    """In some direction at least."""
    note: str
    """"" where it refuses in all of them; else what else it does."""


def by_default(rule: Rule, clause: Clause) -> Default:
    """From the rule's modes and the defaults of what it needs."""
    records = [_SIDES[side] for side, mode in rule.directions.items() if mode is Mode.MONITOR]
    refuses = Mode.ENFORCE in rule.directions.values()
    need = NEEDS_FOR.get((clause.number, rule.name)) or NEEDS.get(rule.name)
    until = need.until if need is not None and not need.met else ""
    if rule.classes is not None and Trunk.model_fields["class_"].default not in rule.classes:
        until = f"class is {' or '.join(rule.classes)}"
    if until:
        return Default(False, f"off until {until}" + ("" if refuses else ", then records"))
    if not refuses:
        return Default(False, "records")
    return Default(True, f"from {' and '.join(records)} only recorded" if records else "")


def rules_of(clause: Clause, rules: Iterable[Rule] = RULES) -> list[Rule]:
    """The rules that serve the clause, in screening order."""
    return [rule for rule in rules if clause.number in rule.clauses]


def held(clause: Clause, rules: Iterable[Rule] = RULES) -> str:
    """ "yes", "partly", "recorded", "if set" or "no": by the rules that are built, as they come."""
    found = [by_default(rule, clause) for rule in rules_of(clause, rules) if rule.built]
    if not found:
        return "no"
    if not any(one.refuses for one in found):
        return "recorded" if any(one.note == "records" for one in found) else "if set"
    return "partly" if clause.beyond or any(one.note for one in found) else "yes"


def describe() -> list[dict[str, Any]]:
    """Every clause, as ``--json`` prints it."""
    return [
        {
            "clause": clause.number,
            "asks": clause.asks,
            "held": held(clause),
            "rules": [rule.name for rule in rules_of(clause) if rule.built],
            "by_default": {rule.name: by_default(rule, clause).note for rule in rules_of(clause) if rule.built},
            "not_built": [rule.name for rule in rules_of(clause) if not rule.built],
            "beyond": clause.beyond,
        }
        for clause in CLAUSES
    ]


def page() -> str:
    """POLICY.md."""
    lines = [
        "# The acceptable-use policy, clause by clause",
        "",
        "What each clause asks, whether the agent holds it, by which rules, and what it can't see. `edge-agent rules NAME` tells all about a rule;",
        "`edge-agent rules --clauses` prints this table. Printed from the rules themselves (`edge_agent/clauses.py`).",
        "",
        "Held is told of the agent as it comes, before anything is set. Yes: rules that refuse hold it. Partly: they do, but some of it is beyond them,",
        "or other rules of it only record, or wait for a setting. Recorded: its rules refuse nothing until their mode is `enforce`. If set: they look at",
        "nothing until the key that is named has a value. Behind a rule stands what it does other than refuse.",
        "",
        "| clause | asks | held | by the rules | what is beyond |",
        "| --- | --- | --- | --- | --- |",
    ]
    for clause in CLAUSES:
        names = ", ".join(_named(rule, clause) for rule in rules_of(clause) if rule.built)
        later = ", ".join(f"`{rule.name}`" for rule in rules_of(clause) if not rule.built)
        both = names + (f"{'; ' if names else ''}not built yet: {later}" if later else "")
        lines.append(f"| {clause.number} | {clause.asks} | {held(clause)} | {both or '–'} | {clause.beyond or '–'} |")
    return "\n".join(lines) + "\n"


def _named(rule: Rule, clause: Clause) -> str:
    note = by_default(rule, clause).note
    return f"`{rule.name}`" + (f" ({note})" if note else "")


if __name__ == "__main__":
    print(page(), end="")
