"""What the engine's policy image holds, as plain data: rows of peers, sources, names and the screen. It works nothing out.

``compile.py`` fills it in; ``_hot.Policy`` copies it into flat arrays. Peers are
named by their index, rules by their place in ``RULES``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from edge_agent import _hot
from edge_agent.numbering.emergency import DialStrings
from edge_agent.numbering.plans import Plan
from edge_agent.numbering.skeleton import Skeleton
from edge_agent.policy.behaviour import BehaviourTables
from edge_agent.reasons import REASONS
from edge_agent.rules import BY_NAME, RULES

Rate = tuple[float, int]


Measures = tuple[float, float, float]
"""Calls, minutes and money; 0: no limit."""


class Budgets(NamedTuple):
    """What a trunk may use up of dear prefixes in a day (toll-fraud)."""

    trunk: Measures
    off: Measures
    """Outside of its business hours."""
    caller: Measures
    classes: tuple[Measures, ...]
    """In the order of ``rules.toll_fraud.CLASSES``."""
    warn: float
    """Share of each that is told."""


class Business(NamedTuple):
    """Business hours of a trunk: minutes of the day, weekdays from Monday (0), IANA time zone."""

    peer: int
    first: int
    last: int
    days: tuple[int, ...]
    zone: str


class PeerRow(NamedTuple):
    """One trunk or upstream; peers are named by their index."""

    name: str
    upstream_kind: bool
    upstream: int | None
    emergency_upstream: int | None
    emergency_route: bool
    forwards_trust: bool
    open: bool
    probed: bool
    overload_control: bool
    over_limit: int
    plan: int
    emergency_table: int
    methods: tuple[str, ...]
    rate: Rate
    method_rates: tuple[Rate, ...]
    """In the order of BUDGET_ in the engine."""
    caller_rate: Rate
    callee_rate: Rate
    callee_known_hours: float
    marks: tuple[str, ...]
    """Letters of the names that only others may show."""
    concurrent: int
    domain: str
    targets: tuple[tuple[str, int], ...]
    ways: tuple[tuple[int, ...], ...]
    """Of each target, the listeners that can send to it, the best first; none: nobody looked."""
    numbers: tuple[_hot.NumberSet, ...]
    modes: tuple[int, ...]
    stir: int
    """In the order of STIR."""
    sign: bool
    """Calls to this upstream get an Identity header."""
    distance: int
    """In the order of DISTANCE."""
    asserts: tuple[str, ...]
    """Markings that it may assert, by their names in the configuration."""
    pilots: tuple[_hot.NumberSet, ...]
    diversions: int
    forwards: Rate
    """Forwarded calls that pass on the trunk's word."""
    unvouched: Rate | None
    """Calls that no PASSporT vouches for; None: any number."""
    emergency_redirect: bool
    emergency_urn: bool
    location: str
    destination: _hot.Prefixes | None
    """Prefixes that are allowed (1) and denied (2)."""
    hours: int | None
    """Index of its calling hours; None: it may call at any time."""
    toll: Budgets | None
    """None: toll-fraud is off for it."""


class SourceRow(NamedTuple):
    """A network that is a peer's, in 128-bit terms. No ports: any."""

    host: str
    bits: int
    peer: int
    ports: tuple[int, ...]


class NameRow(NamedTuple):
    """A host that a URI may name. Owner None: this agent. Port 0: any."""

    host: str
    port: int
    owner: int | None
    is_address: bool


class ListenerRow(NamedTuple):
    """One listener, with the host:port that peers are told."""

    host: str
    port: int
    sent_by: str


class ScreenRow(NamedTuple):
    """One line of the screen: an op for the rule, on messages of these directions."""

    op: str
    rule: int
    dirs: int


@dataclass(frozen=True)
class Tables:
    """Everything that the engine's image holds."""

    generation: int
    peers: tuple[PeerRow, ...]
    sources: tuple[SourceRow, ...]
    lists: tuple[tuple[str, _hot.NetworkSet], ...]
    """Listed networks, each list with "allow" or "deny"."""
    wall_ahead: int
    """Nanoseconds that the wall clock was ahead of the engine's when this was made: where the ends of listed networks lie."""
    names: tuple[NameRow, ...]
    listeners: tuple[ListenerRow, ...]
    rows: tuple[ScreenRow, ...]
    owners: tuple[tuple[int, int, int], ...]
    """Disjoint ranges of packed numbers with the trunk that owns them, sorted."""
    file_sets: tuple[tuple[_hot.NumberSet, int], ...]
    do_not_originate: tuple[_hot.NumberSet, ...]
    may_originate: tuple[_hot.NumberSet, ...]
    nanp_unallocated: tuple[_hot.NumberSet, ...]
    do_not_call: tuple[_hot.NumberSet, ...]
    plans: tuple[Plan, ...]
    emergencies: tuple[DialStrings, ...]
    country_codes: dict[int, frozenset[int]]
    methods: tuple[str, ...]
    dialog_methods: tuple[str, ...]
    max_bytes: int
    body_types: tuple[str, ...]
    max_forwards: int
    forwards_per_call: int
    source_rate: Rate
    prefix_rate: Rate
    site_rate: Rate
    caller_calls: Rate
    """Calls per second of one caller of an open trunk."""
    open_answers: Rate
    """486 answers to an open trunk's callers over their rate."""
    unknown_answers: Rate
    """403 answers to emergency calls of all strangers."""
    sweep: Rate
    """Targets that are forgotten in a second, and how many make a finding."""
    sweep_adjacent: int
    evasion: Rate
    """Attempts to get a refused call through that are forgotten in a second, and how many make a finding."""
    auth_abuse: Rate
    dialog_grace: Rate
    dialog_rate: Rate
    ack_budget: Rate
    answers: Rate
    emergency_rate: Rate
    emergency_caller_seconds: float
    strikes: Rate
    """Strikes that are forgotten in a second, and how many make a ban."""
    emergency_concurrent: int
    stir_reject: bool
    """A call whose certificate can't be had is refused, where verification is required."""
    grace_until: int
    """Monotonic nanoseconds up to which unproven in-dialog requests may be screened as new ones."""
    signatures: tuple[str, ...]
    skeleton: Skeleton
    zones: _hot.Prefixes | None
    """Prefixes of numbers to zone classes; None: nobody has calling hours."""
    zone_classes: tuple[tuple[str, ...], ...]
    hours: tuple[tuple[int, int], ...]
    """Calling hours in use, each once: from and until, minutes of the day."""
    toll: _hot.Prefixes | None
    """Dear prefixes to places in ``toll_rates``, from 1 on; None: no trunk has budgets."""
    toll_rates: tuple[tuple[int, float], ...]
    """Class (from 1 on; 0: not dear) and price of a minute."""
    business: tuple[Business, ...]
    """Of trunks that have hours."""
    unknown_modes: tuple[int, ...]
    """Of each rule, on sources that belong to nobody."""
    callback_seconds: float
    callbacks: int
    behaviour: BehaviourTables
    rules: tuple[str, ...] = field(default=tuple(rule.name for rule in RULES))
    reason_rules: dict[int, int] = field(
        default_factory=lambda: {
            number: RULES.index(BY_NAME[reason.rule]) for number, reason in enumerate(REASONS) if reason.rule
        }
    )
