"""What settings must agree on among each other, and what an operator should know about a good configuration.

Each check yields findings about one key; ``load.py`` gives them their file and
tells errors from notices. Nothing here changes a setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from edge_agent.listeners import RECEIVE_BUFFER
from edge_agent.numbering.prefixes import PrefixListError, read_prefixes
from edge_agent.numbering.zones import missing, zoning
from edge_agent.policy.behaviour import enforced
from edge_agent.policy.draft import Draft, did_you_mean
from edge_agent.policy.merge import Loc
from edge_agent.policy.resolve import Resolver
from edge_agent.policy.section import NotBuilt
from edge_agent.policy.settings import Trunk, Upstream
from edge_agent.policy.values import Address, Network, write_clock, write_duration
from edge_agent.rules import BY_NAME, Mode, RuleSettings
from edge_agent.rules._shape import pairs
from edge_agent.rules.calling_hours import CallingHoursSettings
from edge_agent.rules.toll_fraud import TollFraudSettings

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


@dataclass(frozen=True)
class Finding:
    """One entry of the catalogue, about one key."""

    code: str
    loc: Loc
    values: dict[str, Any] = field(default_factory=dict)


def check(draft: Draft, resolver: Resolver) -> Iterator[Finding]:
    """Every finding. Targets and contacts of the draft are addresses already."""
    yield from _presence(draft)
    yield from _names(draft)
    yield from _listeners(draft)
    yield from _targets(draft)
    yield from _lookups(draft, resolver)
    yield from _sources(draft)
    yield from _trunks(draft)
    yield from _bans(draft)
    yield from _webhook(draft)
    yield from _rules(("rules",), draft.rules)
    for index, trunk in draft.trunk.items():
        yield from _rules(("trunk", index, "rules"), trunk.rules, trunk_open=trunk.open)
    yield from _limits(draft)
    yield from _behaviour(draft)
    yield from _calling_hours(draft)
    yield from _toll_fraud(draft)
    yield from _do_not_call(draft)
    yield from _not_built(draft)
    yield from _receive_buffer()


def _presence(draft: Draft) -> Iterator[Finding]:
    for name, code in (("listen", "no-listener"), ("upstream", "no-upstream"), ("trunk", "no-trunk")):
        if not draft.document.data.get(name):
            yield Finding(code, (name,))


def _names(draft: Draft) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for section, entries in (("upstream", draft.upstream), ("trunk", draft.trunk)):
        for index, entry in entries.items():
            if entry.name in seen:
                values = {"name": entry.name, "other": seen[entry.name]}
                yield Finding("duplicate-name", (section, index, "name"), values)
            seen.setdefault(entry.name, f"{section} {entry.name!r}")


def _listeners(draft: Draft) -> Iterator[Finding]:
    seen: dict[tuple[str, Address], int] = {}
    for index, listen in draft.listen.items():
        loc: Loc = ("listen", index)
        first = seen.setdefault((listen.transport, listen.address), index)
        if first != index:
            other = f"listener {first + 1}"
            yield Finding("duplicate-listener", (*loc, "address"), {"address": listen.address, "other": other})
        if ip_address(listen.address.host).is_unspecified and listen.advertise is None:
            yield Finding("advertise-missing", (*loc, "advertise"))


def _targets(draft: Draft) -> Iterator[Finding]:
    own = {listen.address for listen in draft.listen.values()}
    seen: dict[Address, str] = {}
    for index, upstream in draft.upstream.items():
        loc: Loc = ("upstream", index, "targets")
        for address in upstream.targets:
            if address in own:
                yield Finding("target-is-listener", loc, {"address": address})
            other = seen.setdefault(address, upstream.name)
            if other != upstream.name:
                yield Finding("targets-shared", loc, {"address": address, "other": other})
    for index, trunk in draft.trunk.items():
        for address in own.intersection(trunk.contact):
            yield Finding("target-is-listener", ("trunk", index, "contact"), {"address": address})


def _lookups(draft: Draft, resolver: Resolver) -> Iterator[Finding]:
    for loc, address in draft.names:
        if address.host in resolver.failed:
            yield Finding("unresolvable", loc, {"host": address.host, "why": resolver.failed[address.host]})
        elif not address.port:
            yield Finding("name-without-port", loc, {"host": address.host})


def _sources(draft: Draft) -> Iterator[Finding]:
    """Longest prefix decides, so only equal prefixes are a tie; ports can break one between trunks."""
    upstreams = {network: upstream for upstream in draft.upstream.values() for network in upstream.sources}
    seen: dict[Network, list[Trunk]] = {}
    for index, trunk in draft.trunk.items():
        loc: Loc = ("trunk", index, "sources")
        for network in trunk.networks:
            if network in upstreams:
                yield _shared(loc, network, upstreams[network])
            for other in seen.setdefault(network, []):
                if other is not trunk and not _told_by_port(trunk, other):
                    yield _shared(loc, network, other)
            seen[network].append(trunk)
            if network.prefixlen == 0 and not trunk.open:
                yield Finding("every-address", loc, {"network": network})


def _told_by_port(one: Trunk, other: Trunk) -> bool:
    return bool(one.ports and other.ports) and not set(one.ports) & set(other.ports)


def _shared(loc: Loc, network: Network, other: Trunk | Upstream) -> Finding:
    if isinstance(other, Upstream):
        values = {"other": f"upstream {other.name!r}", "hint": "give the upstream its own sources"}
    else:
        values = {"other": f"trunk {other.name!r}", "hint": "or tell the two by ports that differ"}
    return Finding("sources-shared", loc, {"network": network, **values})


def _trunks(draft: Draft) -> Iterator[Finding]:
    # Names as written: an upstream that has an error of its own still exists.
    entries = draft.document.data.get("upstream")
    written = entries if isinstance(entries, list) else []
    upstreams = [str(entry.get("name")) for entry in written if isinstance(entry, dict)]
    for index, trunk in draft.trunk.items():
        loc: Loc = ("trunk", index)
        if trunk.upstream not in upstreams:
            yield _no_such_upstream((*loc, "upstream"), trunk.upstream, upstreams)
        if trunk.emergency_upstream and trunk.emergency_upstream not in upstreams:
            yield _no_such_upstream((*loc, "emergency_upstream"), trunk.emergency_upstream, upstreams)
        if trunk.emergency != "reject" and not trunk.emergency_upstream:
            yield Finding("emergency-upstream-missing", (*loc, "emergency_upstream"), {"emergency": trunk.emergency})
        if not trunk.sources and not trunk.tls_names and not trunk.open:
            yield Finding("sources-missing", (*loc, "sources"))
        if not trunk.caller_ids:
            yield Finding("no-numbers", (*loc, "caller_ids"))
        elif not trunk.contact:
            yield Finding("no-contact", (*loc, "contact"))


def _no_such_upstream(loc: Loc, name: str, upstreams: list[str]) -> Finding:
    hint = did_you_mean(name, upstreams) or f"there are: {', '.join(upstreams) or 'none'}"
    return Finding("no-such-upstream", loc, {"name": name, "hint": hint})


def _bans(draft: Draft) -> Iterator[Finding]:
    bans = draft.sections["bans"]
    if bans.first > bans.longest:
        yield Finding("bans-order", ("bans", "first"), {"longest": f'"{write_duration(bans.longest)}"'})


def _webhook(draft: Draft) -> Iterator[Finding]:
    parts = urlsplit(draft.sections["events"].webhook)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield Finding("webhook-plain", ("events", "webhook"))


def _rules(loc: Loc, rules: dict[str, RuleSettings], *, trunk_open: bool = False) -> Iterator[Finding]:
    on_trunk = loc[0] == "trunk"
    for name, settings in rules.items():
        rule = BY_NAME[name]
        here = (*loc, name)
        if not settings.model_fields_set:
            continue
        if not rule.built and settings.mode is Mode.ENFORCE:
            yield Finding("rule-not-built", (*here, "mode"), {"rule": name})
        elif rule.structural and settings.mode in (Mode.OFF, Mode.MONITOR):
            yield Finding("rule-structural", (*here, "mode"), {"rule": name, "mode": str(settings.mode)})
        elif not rule.built and (settings.mode is not Mode.OFF or len(settings.model_fields_set) > 1):
            yield Finding("not-built", here, {"what": f"the rule {name!r}"})
        elif on_trunk and not rule.directions.keys() & {"T", "U"} and not (trunk_open and "O" in rule.directions):
            yield Finding("trunk-unaffected", here, {"rule": name})


# Limits of sources, callers and the like share cells that look eight hours ahead; a peer's own ones are whole words.
CELL_SECONDS, OWN_SECONDS = 8 * 3600, 30 * 86400
_IN_CELLS = {
    "caller-rate": {"per_second"},
    "callee-rate": {"per_second"},
    "source-rate": {"per_second", "site_per_second", "prefix_per_second", "calls_per_second"},
    "dialog": {"dialog_per_second"},
}


def _limits(draft: Draft) -> Iterator[Finding]:
    """What may come at once must be had again while the engine still knows of it."""
    for name, settings in draft.rules.items():
        yield from _slow(("rules", name), settings, settings)
    for index, trunk in draft.trunk.items():
        yield from _slow(("trunk", index), trunk, trunk)
        for name, own in trunk.rules.items():
            general = draft.rules[name]
            both = general.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})
            yield from _slow(("trunk", index, "rules", name), both, own)


def _slow(loc: Loc, limits: BaseModel, written: BaseModel) -> Iterator[Finding]:
    for rate_key, burst_key in pairs(type(limits)):
        rate, burst = getattr(limits, rate_key), getattr(limits, burst_key)
        key = next((key for key in (rate_key, burst_key) if key in written.model_fields_set), None)
        most = CELL_SECONDS if rate_key in _IN_CELLS.get(str(loc[-1]), ()) else OWN_SECONDS
        if key and rate and burst > rate * most:
            values = {"rate": f"{rate:g}", "burst": burst, "seconds": f"{burst / rate:.0f}", "most": most}
            values |= {"rate_key": rate_key, "least": f"{burst / most * 1.0001:.4g}"}
            values |= {"burst_key": burst_key, "highest": max(1, int(rate * most))}
            yield Finding("limit-slow", (*loc, key), values)


def _behaviour(draft: Draft) -> Iterator[Finding]:
    """Who blocks by analytics names somebody to turn to (47 CFR 64.1200(k)(9))."""
    own = draft.sections["behaviour"]
    if own.warn > own.block:
        yield Finding("behaviour-order", ("behaviour", "warn"), {"block": own.block})
    if draft.sections["redress"].contacts:
        return
    for name in enforced(draft.rules):
        yield Finding("redress-missing", ("rules", name, "mode"), {"rule": name})
    for index, trunk in draft.trunk.items():
        for name in enforced(trunk.rules):
            yield Finding("redress-missing", ("trunk", index, "rules", name, "mode"), {"rule": name})


def _calling_hours(draft: Draft) -> Iterator[Finding]:
    general = draft.rules.get("calling-hours")
    if not isinstance(general, CallingHoursSettings):
        return
    zones = dict[str, str]()
    for prefix, zone in general.zones.items():
        try:
            zones |= dict.fromkeys(read_prefixes(prefix), zone)
        except PrefixListError as error:
            yield Finding("prefix-line", ("rules", "calling-hours", "zones", prefix), {"what": error.errors[0][1]})
    yield from _span(("rules", "calling-hours"), general)
    asked = False
    for index, trunk in draft.trunk.items():
        own = trunk.rules.get("calling-hours")
        asked = asked or trunk.class_ == "telemarketing" or own is not None
        if isinstance(own, CallingHoursSettings):
            loc: Loc = ("trunk", index, "rules", "calling-hours")
            written = {key: getattr(own, key) for key in own.model_fields_set}
            if written.keys() & {"from_", "until"}:
                yield from _span(loc, general.model_copy(update=written))
            if "zones" in written:
                yield Finding("zones-general", (*loc, "zones"))
    if asked and (zone := missing(zoning(zones).classes)):
        yield Finding("zones-missing", ("rules", "calling-hours"), {"zone": zone})


def _toll_fraud(draft: Draft) -> Iterator[Finding]:
    general = draft.rules.get("toll-fraud")
    if not isinstance(general, TollFraudSettings):
        return
    if general.business_from >= general.business_until:
        yield _business(("rules", "toll-fraud"), general)
    for index, trunk in draft.trunk.items():
        own = trunk.rules.get("toll-fraud")
        written = {key: getattr(own, key) for key in own.model_fields_set} if own is not None else {}
        if written.keys() & {"business_from", "business_until"}:
            both = general.model_copy(update=written)
            if both.business_from >= both.business_until:
                yield _business(("trunk", index, "rules", "toll-fraud"), both)


def _business(loc: Loc, hours: TollFraudSettings) -> Finding:
    until = f'"{write_clock(hours.business_until)}"'
    return Finding("business-order", (*loc, "business_from"), {"until": until})


def _do_not_call(draft: Draft) -> Iterator[Finding]:
    """Who calls his own patients or passengers may call those who want no advertising."""
    general = draft.rules.get("do-not-call")
    if not draft.sections["lists"].do_not_call or (general is not None and general.mode is not None):
        return
    trunks = [
        trunk.name
        for trunk in draft.trunk.values()
        if trunk.class_ != "telemarketing" and ((own := trunk.rules.get("do-not-call")) is None or own.mode is None)
    ]
    if trunks:
        more = f" and {len(trunks) - _NAMED} more" if len(trunks) > _NAMED else ""
        yield Finding("list-wide", ("lists", "do_not_call"), {"trunks": ", ".join(trunks[:_NAMED]) + more})


def _span(loc: Loc, hours: CallingHoursSettings) -> Iterator[Finding]:
    if hours.from_ >= hours.until:
        yield Finding("hours-order", (*loc, "from"), {"until": f'"{write_clock(hours.until)}"'})


_NAMED = 5  # trunks in one line
_REFUSED_HINTS = {
    "transport": 'use transport = "udp"',
    "role": 'use role = "proxy"',
}


def _not_built(draft: Draft) -> Iterator[Finding]:
    for section, model in draft.sections.items():
        yield from _not_built_in((section,), model)
    for section in ("listen", "upstream", "trunk"):
        for index, model in getattr(draft, section).items():
            yield from _not_built_in((section, index), model)


def _not_built_in(loc: Loc, model: BaseModel) -> Iterator[Finding]:
    """Only keys that the operator wrote: a default asks for nothing."""
    for name, description in type(model).model_fields.items():
        mark = next((item for item in description.metadata if isinstance(item, NotBuilt)), None)
        value = getattr(model, name)
        if mark is None or name not in model.model_fields_set or value in mark.quiet:
            continue
        here = (*loc, description.alias or name)
        if value in mark.refused:
            yield Finding("not-built-refused", here, {"what": mark.what, "hint": _REFUSED_HINTS[name]})
        else:
            yield Finding("not-built", here, {"what": mark.what})


def _receive_buffer() -> Iterator[Finding]:
    try:
        granted = int(RMEM_MAX.read_text())
    except (OSError, ValueError):
        return  # a sandbox without /proc: the daemon reads back what it got
    if granted < RECEIVE_BUFFER:
        yield Finding("receive-buffer", ("listen",), {"granted": granted, "wanted": RECEIVE_BUFFER})
