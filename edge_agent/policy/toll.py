"""What toll-fraud needs of the configuration: dear prefixes with their prices to one table, and each trunk's budgets.

A line of the operator's is "+37190* premium 2.50": a prefix, its class, and perhaps
what a minute costs. Of equal prefixes the operator's holds; the known ones are
``numbering/dear.py``'s. Nothing here counts a call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.errors import Problem, problem
from edge_agent.numbering.dear import dear_prefixes, home
from edge_agent.numbering.prefixes import MOST, SHOWN, BadPrefix, read_prefix, write_prefix
from edge_agent.policy.draft import Draft
from edge_agent.policy.lists import read_regular, unreadable
from edge_agent.policy.merge import Document, Loc
from edge_agent.policy.settings import Settings, Trunk
from edge_agent.policy.tables import Budgets, Business, Measures
from edge_agent.rules import BY_NAME, Mode
from edge_agent.rules.toll_fraud import CLASSES, DAYS, ORDINARY, PRICES, TollFraudSettings

if TYPE_CHECKING:
    from edge_agent._hot import Prefixes

_FILE = "file:"
_RULE = "toll-fraud"
RATES = 8191
"""Different pairs of class and price: what a value of the engine's table can tell apart."""
_LINE = re.compile(r"(?P<prefix>[^A-Za-z]*?)\s+(?P<kind>[A-Za-z][\w-]*)(?:\s+(?P<price>\S+))?", re.ASCII)
_HINT = 'a line is "+37190* premium 2.50": prefix, class, and perhaps the price of a minute'
_MOST_PRICE = 10_000


class Dear(NamedTuple):
    """One line: the class, or ``ORDINARY``; and the price of a minute, None: that of the class."""

    kind: str
    price: float | None


class BadLine(ValueError):
    """A line that can't be read: what is wrong, and what to write."""

    def __init__(self, what: str, hint: str = _HINT) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


@dataclass(frozen=True)
class TollTable:
    """Dear prefixes to places in ``rates``, from 1 on."""

    prefixes: Prefixes
    rates: tuple[tuple[int, float], ...]
    """Number of the class in ``CLASSES``, from 1 on (0: not dear), and price of a minute."""


def read_line(text: str) -> tuple[str, Dear]:
    """Digits of the prefix, and what it is. BadLine."""
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise BadLine("no prefix with its class")
    try:
        prefix = read_prefix(match["prefix"])
    except BadPrefix as error:
        raise BadLine(str(error)) from None
    kind = match["kind"].lower()
    if kind not in (*CLASSES, ORDINARY):
        close = get_close_matches(kind, (*CLASSES, ORDINARY), n=1, cutoff=0.6)
        hint = f'did you mean "{close[0]}"?' if close else f"there are: {', '.join((*CLASSES, ORDINARY))}"
        raise BadLine(f"{match['kind']!r} is no class of prefixes", hint)
    return prefix, Dear(kind, _price(match["price"], kind))


def _price(written: str | None, kind: str) -> float | None:
    if written is None:
        return None
    if kind == ORDINARY:
        raise BadLine("an ordinary prefix has no price", "take the price away: its calls aren't counted")
    try:
        price = float(written) if re.fullmatch(r"[0-9.+-]+", written, re.ASCII) else float("nan")
    except ValueError:
        price = float("nan")
    if not isfinite(price):
        raise BadLine(f"{written!r} is no price", 'write the price of a minute with a point: "2.50"')
    if not 0 < price <= _MOST_PRICE:
        raise BadLine(
            f"a price of {written}",
            f'a minute costs more than 0 and at most {_MOST_PRICE}; "{ORDINARY}" isn\'t counted',
        )
    return price


class TollReader:
    """Reads the dear prefixes of one load; collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def table(self, draft: Draft) -> TollTable | None:
        """The table; None where the rule is off everywhere, or something is wrong."""
        general = draft.rules.get(_RULE)
        if not isinstance(general, TollFraudSettings):
            return None
        own = self._own(("rules", _RULE, "prefixes"), general.prefixes)
        for index, trunk in draft.trunk.items():
            settings = trunk.rules.get(_RULE)
            if settings is None:
                continue
            for key in ("prefixes", "prices"):
                if key in settings.model_fields_set:
                    self._tell("dear-general", ("trunk", index, "rules", _RULE, key))
        if self.problems or not _asked(draft, general):
            return None
        here = home({draft.sections["agent"].country, *(trunk.country for trunk in draft.trunk.values())})
        known = {
            prefix: Dear(kind, None)
            for prefix, kind in dear_prefixes().items()
            if kind != "high-risk" or prefix not in here
        }
        return self._compile({**known, **own}, general)

    def _compile(self, dear: dict[str, Dear], general: TollFraudSettings) -> TollTable | None:
        from edge_agent._hot import Prefixes

        prices: dict[str, float] = {**PRICES, **{str(kind): price for kind, price in general.prices.items()}}
        rates: dict[tuple[int, float], int] = {}
        places: dict[str, int] = {}
        for prefix, one in dear.items():
            number = 0 if one.kind == ORDINARY else CLASSES.index(one.kind) + 1
            price = 0.0 if one.kind == ORDINARY else one.price if one.price is not None else prices[one.kind]
            places[prefix] = rates.setdefault((number, price), len(rates) + 1)
        if len(rates) > RATES:
            self._tell("dear-many", ("rules", _RULE, "prefixes"), most=f"{RATES:,}")
            return None
        return TollTable(Prefixes(places), tuple(rates))

    def _own(self, loc: Loc, entries: list[str]) -> dict[str, Dear]:
        found: dict[str, tuple[Dear, str]] = {}
        for position, entry in enumerate(entries):
            here = (*loc, position)
            file, key = self._document.file_of(here), self._document.key_of(here)
            if entry.startswith(_FILE):
                self._file(file, key, self._document.path.parent / entry.removeprefix(_FILE), found)
            else:
                self._take(entry, file, key, found)
        if len(found) > MOST:
            self._tell("prefix-many", loc, most=f"{MOST:,}")
        return {prefix: one for prefix, (one, _) in found.items()}

    def _file(self, file: str, key: str, path: Path, found: dict[str, tuple[Dear, str]]) -> None:
        try:
            text = (read_regular(path, ())[1] or b"").decode("utf-8", "replace")
        except OSError as error:
            self.problems.append(unreadable(file, key, path, error))
            return
        before = len(self.problems)
        for number, line in enumerate(text.split("\n"), 1):
            if entry := line.partition("#")[0].strip():
                self._take(entry, str(path), f"line {number}", found)
            if len(self.problems) - before >= SHOWN:
                self.problems.append(problem("list-more", str(path), "", count=SHOWN))
                return

    def _take(self, entry: str, file: str, key: str, found: dict[str, tuple[Dear, str]]) -> None:
        try:
            prefix, one = read_line(entry)
        except BadLine as error:
            self.problems.append(problem("dear-line", file, key, what=error.what, hint=error.hint))
            return
        if prefix in found and found[prefix][0] != one:
            place = found[prefix][1]
            self.problems.append(problem("dear-twice", file, key, prefix=write_prefix(prefix), place=place))
        found.setdefault(prefix, (one, f"{file}: {key}"))

    def _tell(self, code: str, loc: Loc, **values: str) -> None:
        self.problems.append(problem(code, self._document.file_of(loc), self._document.key_of(loc), **values))


def _asked(draft: Draft, general: TollFraudSettings) -> bool:
    """Is the rule on for any trunk?"""
    default = BY_NAME[_RULE].directions["T"]
    modes = [
        (own.mode if (own := trunk.rules.get(_RULE)) is not None else None) or general.mode or default
        for trunk in draft.trunk.values()
    ]
    return any(mode is not Mode.OFF for mode in modes)


def budgets(settings: Settings, trunk: Trunk) -> Budgets | None:
    """The trunk's budgets of a day; None where the rule is off for it."""
    if settings.rule_mode(BY_NAME[_RULE], "T", trunk) is Mode.OFF:
        return None
    own = _settings(settings, trunk)
    whole: Measures = (float(own.calls_per_day), own.minutes_per_day, own.spend_per_day)
    calls, minutes, spend = (share * own.off_hours for share in whole)
    limits: list[dict[str, float]] = [
        {str(kind): float(limit) for kind, limit in by_class.items()}
        for by_class in (own.class_calls_per_day, own.class_minutes_per_day, own.class_spend_per_day)
    ]
    return Budgets(
        trunk=whole,
        # One call is let through at any hour: who is on call may have to.
        off=(max(calls, 1.0), minutes, spend),
        caller=(float(own.caller_calls_per_day), own.caller_minutes_per_day, own.caller_spend_per_day),
        classes=tuple(
            (limits[0].get(kind, 0.0), limits[1].get(kind, 0.0), limits[2].get(kind, 0.0)) for kind in CLASSES
        ),
        warn=own.warn,
    )


def business_hours(settings: Settings, first_trunk: int) -> tuple[Business, ...]:
    """Hours of the trunks that have some, with their places among the peers."""
    found: list[Business] = []
    for number, trunk in enumerate(settings.trunk, first_trunk):
        own = _settings(settings, trunk)
        days = tuple(sorted({DAYS.index(day) for day in own.business_days}))
        if (own.business_from, own.business_until, len(days)) != (0, 1440, 7):
            found.append(Business(number, own.business_from, own.business_until, days, own.business_zone))
    return tuple(found)


def _settings(settings: Settings, trunk: Trunk) -> TollFraudSettings:
    found = settings.rule_settings(_RULE, trunk)
    assert isinstance(found, TollFraudSettings)
    return found
