"""Settings to the tables of the engine's policy image. Pure: no file, no network, no clock.

``Tables`` is plain data with every name turned into an index; ``_hot.Policy``
copies it into flat arrays. The order of peers is upstreams, then trunks, as
they stand in the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

from edge_agent import _hot
from edge_agent.numbering.emergency import dial_strings
from edge_agent.numbering.plans import country_codes, plan
from edge_agent.numbering.prefixes import read_prefixes
from edge_agent.numbering.skeleton import letters, skeleton
from edge_agent.numbering.zones import Zoning, zoning
from edge_agent.policy.behaviour import behaviour_tables
from edge_agent.policy.load import Loaded
from edge_agent.policy.owners import owners_of
from edge_agent.policy.regions import Regions
from edge_agent.policy.settings import Settings, Trunk, Upstream
from edge_agent.policy.tables import ListenerRow, NameRow, PeerRow, Rate, ScreenRow, SourceRow, Tables
from edge_agent.policy.toll import budgets, business_hours
from edge_agent.policy.unvouched import unvouched_rate
from edge_agent.policy.values import Address
from edge_agent.rules import BY_NAME, RULES, Mode, RateSettings, RuleSettings
from edge_agent.rules.auth_abuse import AuthAbuseSettings
from edge_agent.rules.callee_rate import CalleeRateSettings
from edge_agent.rules.caller_consistent import CallerConsistentSettings
from edge_agent.rules.caller_owned import CallerOwnedSettings
from edge_agent.rules.caller_rate import CallerRateSettings
from edge_agent.rules.calling_hours import CallingHoursSettings
from edge_agent.rules.dialog import DialogSettings
from edge_agent.rules.display_name import DisplayNameSettings
from edge_agent.rules.emergency import EmergencySettings
from edge_agent.rules.hops import HopsSettings
from edge_agent.rules.interface import InterfaceSettings
from edge_agent.rules.malformed import MalformedSettings
from edge_agent.rules.scanner import ScannerSettings
from edge_agent.rules.source_rate import SourceRateSettings
from edge_agent.rules.sweep import SweepSettings
from edge_agent.rules.trunk_rate import TrunkRateSettings

MODES = {Mode.OFF: 0, Mode.MONITOR: 1, Mode.ENFORCE: 2}
DIRECTIONS = {"T": 1, "O": 1, "U": 2, "X": 4}

LANE_OPS = ("malformed", "banned", "unknown_source", "emergency", "source_rate", "sweep", "auth_abuse")
"""Rows that are steps of the flow itself, not lines of the screen."""

STIR = ("ignore", "tag", "require")
"""What becomes of a trunk's Identity headers, in the engine's order."""

DISTANCE = ("ignore", "monitor", "enforce")
"""What becomes of a trunk's messages from another distance than its own, in the engine's order of modes."""

S = TypeVar("S", bound=RuleSettings)


def compile_policy(loaded: Loaded, generation: int, grace_until: int = 0, wall_ahead: int = 0) -> _hot.Policy:
    """The engine's policy for a good configuration."""
    return _hot.Policy(compile_tables(loaded, generation, grace_until, wall_ahead))


def compile_tables(loaded: Loaded, generation: int, grace_until: int = 0, wall_ahead: int = 0) -> Tables:
    """The tables of that policy, for who wants to look at them."""
    settings = loaded.settings
    regions = Regions(settings.agent.country)
    hours: list[tuple[int, int]] = []
    peers = _peers(loaded, regions, hours)
    zones = _zoning(settings) if hours else Zoning({}, ())
    interface = _of(settings, "interface", InterfaceSettings)
    source_rate = _of(settings, "source-rate", SourceRateSettings)
    sweep = _of(settings, "sweep", SweepSettings)
    auth_abuse = _of(settings, "auth-abuse", AuthAbuseSettings)
    dialog = _of(settings, "dialog", DialogSettings)
    malformed = _of(settings, "malformed", MalformedSettings)
    emergency = _of(settings, "emergency", EmergencySettings)
    owners, file_sets = owners_of([peer.numbers for peer in peers])
    return Tables(
        generation=generation,
        peers=peers,
        sources=_sources(settings),
        lists=loaded.networks.tables(),
        wall_ahead=wall_ahead,
        names=_names(settings),
        listeners=tuple(ListenerRow(lst.address.host, lst.address.port, str(lst.public)) for lst in settings.listen),
        rows=_rows(),
        owners=owners,
        file_sets=file_sets,
        do_not_originate=loaded.do_not_originate,
        may_originate=loaded.may_originate,
        nanp_unallocated=loaded.nanp_unallocated,
        do_not_call=loaded.do_not_call,
        plans=tuple(plan(region) for region in regions.plans),
        emergencies=tuple(dial_strings(region, prefixes) for region, prefixes in regions.lanes),
        country_codes=country_codes(),
        methods=tuple(interface.methods),
        dialog_methods=tuple(interface.dialog_methods),
        max_bytes=interface.max_bytes,
        body_types=tuple(interface.body_types),
        max_forwards=_of(settings, "hops", HopsSettings).max_forwards,
        forwards_per_call=_of(settings, "caller-owned", CallerOwnedSettings).forwards_per_call,
        source_rate=(source_rate.per_second, source_rate.burst),
        prefix_rate=(source_rate.prefix_per_second, source_rate.prefix_burst),
        site_rate=(source_rate.site_per_second, source_rate.site_burst),
        caller_calls=(source_rate.calls_per_second, source_rate.calls_burst),
        open_answers=(source_rate.answers_per_second, source_rate.answers_burst),
        unknown_answers=(source_rate.unknown_answers_per_second, source_rate.unknown_answers_burst),
        sweep=(sweep.targets / sweep.forget, sweep.targets),
        sweep_adjacent=sweep.adjacent,
        evasion=(sweep.evasions / sweep.forget, sweep.evasions),
        auth_abuse=(auth_abuse.failures / auth_abuse.forget, auth_abuse.failures),
        dialog_grace=(dialog.per_second, dialog.burst),
        dialog_rate=(dialog.dialog_per_second, dialog.dialog_burst),
        ack_budget=(dialog.ack_per_second, dialog.ack_burst),
        answers=(malformed.answers_per_second, malformed.answers_burst),
        emergency_rate=(emergency.per_second, emergency.burst),
        emergency_caller_seconds=emergency.per_caller_seconds,
        strikes=(settings.bans.strikes / settings.bans.forget, settings.bans.strikes),
        emergency_concurrent=emergency.concurrent,
        stir_reject=settings.stir.on_unavailable == "reject",
        grace_until=grace_until,
        signatures=tuple(_of(settings, "scanner", ScannerSettings).signatures),
        skeleton=skeleton(),
        zones=_hot.Prefixes(zones.prefixes) if hours else None,
        zone_classes=zones.classes,
        hours=tuple(hours),
        toll=loaded.toll.prefixes if loaded.toll is not None else None,
        toll_rates=loaded.toll.rates if loaded.toll is not None else (),
        business=business_hours(settings, len(settings.upstream)),
        unknown_modes=_modes(settings, "X"),
        callback_seconds=emergency.callback_seconds,
        callbacks=emergency.callbacks,
        behaviour=behaviour_tables(settings),
    )


def _of(settings: Settings, rule: str, model: type[S], trunk: Trunk | None = None) -> S:
    found = settings.rule_settings(rule, trunk)
    assert isinstance(found, model)
    return found


def _zoning(settings: Settings) -> Zoning:
    own = _of(settings, "calling-hours", CallingHoursSettings).zones
    return zoning({digits: zone for prefix, zone in own.items() for digits in read_prefixes(prefix)})


def _hours(settings: Settings, trunk: Trunk, hours: list[tuple[int, int]]) -> int | None:
    """The place of the trunk's calling hours among those in use."""
    if settings.rule_mode(BY_NAME["calling-hours"], "T", trunk) is Mode.OFF:
        return None
    own = _of(settings, "calling-hours", CallingHoursSettings, trunk)
    span = own.from_, own.until
    if span not in hours:
        hours.append(span)
    return hours.index(span)


def _peers(loaded: Loaded, regions: Regions, hours: list[tuple[int, int]]) -> tuple[PeerRow, ...]:
    settings = loaded.settings
    index = {upstream.name: number for number, upstream in enumerate(settings.upstream)}
    rows = [_upstream(loaded, upstream, regions) for upstream in settings.upstream]
    rows += [_trunk(loaded, trunk, index, regions, hours) for trunk in settings.trunk]
    return tuple(rows)


def _modes(settings: Settings, direction: str, trunk: Trunk | None = None) -> tuple[int, ...]:
    return tuple(MODES[settings.rule_mode(rule, direction, trunk)] for rule in RULES)


def _upstream(loaded: Loaded, upstream: Upstream, regions: Regions) -> PeerRow:
    settings = loaded.settings
    interface = _of(settings, "interface", InterfaceSettings)
    callee = _of(settings, "callee-rate", CalleeRateSettings)
    return PeerRow(
        name=upstream.name,
        upstream_kind=True,
        upstream=None,
        emergency_upstream=None,
        emergency_route=False,
        forwards_trust=False,
        open=False,
        probed=upstream.probe_every > 0,
        overload_control=upstream.overload_control,
        over_limit=486,
        plan=0,
        emergency_table=regions.lane(settings.agent.country, ("9",)),
        methods=tuple(upstream.methods or interface.methods),
        rate=(1.0, 1),
        method_rates=_method_rates(settings),
        caller_rate=_pair(_of(settings, "caller-rate", CallerRateSettings)),
        callee_rate=_pair(callee),
        callee_known_hours=callee.known_hours,
        marks=(),
        concurrent=0,
        domain=upstream.domains[0] if upstream.domains else str(upstream.targets[0]),
        targets=_pairs(upstream.targets),
        ways=_ways(loaded, upstream.targets),
        numbers=(),
        modes=_modes(settings, "U"),
        stir=0,
        sign=upstream.sign is not None,
        distance=0,
        asserts=tuple(upstream.asserts),
        pilots=(),
        diversions=0,
        forwards=(1.0, 1),
        unvouched=None,
        emergency_redirect=False,
        emergency_urn=upstream.emergency_uri == "urn",
        location="",
        destination=None,
        hours=None,
        toll=None,
    )


def _trunk(
    loaded: Loaded, trunk: Trunk, index: dict[str, int], regions: Regions, hours: list[tuple[int, int]]
) -> PeerRow:
    route = trunk.emergency == "route"
    callee = _of(loaded.settings, "callee-rate", CalleeRateSettings, trunk)
    display = _of(loaded.settings, "display-name", DisplayNameSettings, trunk)
    share = _of(loaded.settings, "caller-owned", CallerOwnedSettings, trunk).trusted_share
    return PeerRow(
        name=trunk.name,
        upstream_kind=False,
        upstream=index[trunk.upstream],
        # Kept without the route as well: calls that are up can still be ended after a reload took it away.
        emergency_upstream=index.get(trunk.emergency_upstream),
        emergency_route=route,
        forwards_trust=trunk.forwards == "trust" and share > 0,
        open=trunk.open,
        probed=trunk.probe_every > 0,
        overload_control=trunk.overload_control,
        over_limit=trunk.over_limit,
        plan=regions.plan(trunk.country),
        emergency_table=regions.lane(trunk.country, trunk.emergency_prefixes),
        methods=(),
        rate=(trunk.calls_per_second, trunk.burst),
        method_rates=_method_rates(loaded.settings, trunk),
        caller_rate=_pair(_of(loaded.settings, "caller-rate", CallerRateSettings, trunk)),
        callee_rate=_pair(callee),
        callee_known_hours=callee.known_hours,
        marks=tuple(letters(mark) for mark in display.marks),
        concurrent=trunk.concurrent_calls,
        domain=str(trunk.contact[0]) if trunk.contact else "",
        targets=_pairs(trunk.contact),
        ways=_ways(loaded, trunk.contact),
        numbers=loaded.numbers.get(trunk.name, ()),
        modes=_modes(loaded.settings, "O" if trunk.open else "T", trunk),
        stir=STIR.index(trunk.stir),
        sign=False,
        distance=DISTANCE.index(trunk.distance),
        asserts=tuple(trunk.asserts),
        pilots=loaded.pilots.get(trunk.name, ()),
        diversions=_of(loaded.settings, "caller-consistent", CallerConsistentSettings, trunk).diversions,
        forwards=(max(share * trunk.calls_per_second, 0.001), max(1, round(share * trunk.burst))),
        unvouched=unvouched_rate(loaded.settings, trunk),
        emergency_redirect=trunk.emergency == "redirect",
        emergency_urn=False,
        location=trunk.emergency_location,
        destination=loaded.destinations.get(trunk.name),
        hours=_hours(loaded.settings, trunk, hours),
        toll=budgets(loaded.settings, trunk),
    )


def _pair(rate: RateSettings) -> Rate:
    return rate.per_second, rate.burst


def _method_rates(settings: Settings, trunk: Trunk | None = None) -> tuple[Rate, ...]:
    budgets = _of(settings, "trunk-rate", TrunkRateSettings, trunk)
    return (
        (budgets.register_per_second, budgets.register_burst),
        (budgets.options_per_second, budgets.options_burst),
        (budgets.subscribe_per_second, budgets.subscribe_burst),
        (budgets.message_per_second, budgets.message_burst),
        (budgets.other_per_second, budgets.other_burst),
    )


def _pairs(addresses: Iterable[Address]) -> tuple[tuple[str, int], ...]:
    return tuple((address.host, address.port) for address in addresses)


def _ways(loaded: Loaded, addresses: Iterable[Address]) -> tuple[tuple[int, ...], ...]:
    return tuple(loaded.ways.get(address.host, ()) for address in addresses)


def _sources(settings: Settings) -> tuple[SourceRow, ...]:
    upstreams = [(number, upstream) for number, upstream in enumerate(settings.upstream)]
    shared: dict[IPv4Network | IPv6Network, int] = {}
    for _, upstream in upstreams:
        for network in upstream.sources:
            shared[network] = shared.get(network, 0) + 1
    rows = [
        # Two upstreams on one address: the port tells.
        _source(network, number, {target.port for target in upstream.targets} if shared[network] > 1 else ())
        for number, upstream in upstreams
        for network in upstream.sources
    ]
    rows += [
        _source(network, len(upstreams) + number, trunk.ports)
        for number, trunk in enumerate(settings.trunk)
        for network in trunk.networks
    ]
    return tuple(rows)


def _source(network: IPv4Network | IPv6Network, peer: int, ports: Iterable[int]) -> SourceRow:
    bits = network.prefixlen + (96 if network.version == 4 else 0)
    return SourceRow(str(network.network_address), bits, peer, tuple(sorted(ports)))


def known_networks(settings: Settings) -> tuple[IPv4Network | IPv6Network, ...]:
    """Whose messages needn't queue with those of strangers: peers' networks, without those that anybody may be in."""
    sources = [network for upstream in settings.upstream for network in upstream.sources]
    sources += [network for trunk in settings.trunk if not trunk.open for network in trunk.sources]
    return tuple(network for network in sources if network.prefixlen)


def _names(settings: Settings) -> tuple[NameRow, ...]:
    """Own names, then what each peer may be called. An own address counts with its port, any name with every port."""
    rows: list[NameRow] = []
    for listener in settings.listen:
        for address in dict.fromkeys((listener.address, listener.public)):
            rows.append(NameRow(address.host, 0 if address.is_name else address.port, None, not address.is_name))
    rows += [NameRow(alias, 0, None, _is_address(alias)) for alias in settings.agent.aliases]
    for number, upstream in enumerate(settings.upstream):
        rows += [NameRow(domain, 0, number, _is_address(domain)) for domain in upstream.domains]
        rows += [NameRow(target.host, 0, number, True) for target in upstream.targets]
    for number, trunk in enumerate(settings.trunk, len(settings.upstream)):
        rows += [NameRow(contact.host, 0, number, True) for contact in trunk.contact]
    return tuple(dict.fromkeys(rows))


def _is_address(host: str) -> bool:
    return not Address(host, 0).is_name


def _rows() -> tuple[ScreenRow, ...]:
    return tuple(
        ScreenRow(row.op, number, sum({DIRECTIONS[direction] for direction in rule.directions}))
        for number, rule in enumerate(RULES)
        for row in rule.rows
        if row.op not in LANE_OPS
    )
