"""Files to settings: read, merge, check, look up, read the lists; or every error, each with its file and key.

The work is in the parts; this is their order. It never changes what is in
force: the caller publishes the result, or keeps what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.errors import CATALOGUE, ConfigError, Problem, problem
from edge_agent.policy.checks import Finding, check
from edge_agent.policy.draft import Draft, read_draft
from edge_agent.policy.lists import Age, ListReader, NumberCache, shared_numbers
from edge_agent.policy.merge import Loc, read_files
from edge_agent.policy.networks import NetworkLists, NetworkReader, check_networks
from edge_agent.policy.prefixes import PrefixReader
from edge_agent.policy.reach import check_reach
from edge_agent.policy.resolve import Resolver
from edge_agent.policy.settings import Settings
from edge_agent.policy.toll import TollReader, TollTable
from edge_agent.policy.values import Address
from edge_agent.policy.ways import all_ways
from edge_agent.systemd import credentials_directory

if TYPE_CHECKING:
    from edge_agent._hot import NumberSet, Prefixes
    from edge_agent.stir.material import Material

__all__ = ["ConfigError", "Loaded", "NumberCache", "Problem", "load"]


@dataclass(frozen=True)
class Loaded:
    """A good configuration."""

    settings: Settings
    """Complete: names are addresses, upstreams have their sources, trunks their country."""
    notices: tuple[Problem, ...]
    files: tuple[Path, ...]
    numbers: dict[str, tuple[NumberSet, ...]]
    """Numbers that each trunk owns."""
    networks: NetworkLists
    do_not_originate: tuple[NumberSet, ...] = ()
    may_originate: tuple[NumberSet, ...] = ()
    nanp_unallocated: tuple[NumberSet, ...] = ()
    """Codes, as numbers of three, six or seven digits."""
    stir: Material | None = None
    """Roots, keys and the like; None where nothing is verified, signed or named."""
    pilots: dict[str, tuple[NumberSet, ...]] = field(default_factory=dict)
    """Of each trunk, the numbers that it may assert beside a caller of its own."""
    destinations: dict[str, Prefixes] = field(default_factory=dict)
    """Called prefixes of each trunk that is denied some."""
    do_not_call: tuple[NumberSet, ...] = ()
    toll: TollTable | None = None
    """Dear prefixes; None where toll-fraud looks at no trunk."""
    ages: tuple[Age, ...] = ()
    """Of the lists whose age is looked at."""
    ways: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Of each target's and contact's host, the listeners that can send to it, by their places."""


def load(path: Path, cache: NumberCache | None = None) -> Loaded:
    """The configuration in ``path`` and its drop-ins. ConfigError with everything that is wrong."""
    cache = cache if cache is not None else NumberCache()
    document, problems = read_files(path)
    if not document.files:
        raise ConfigError(tuple(problems))

    draft = read_draft(document)
    resolver = Resolver(frozenset("6" if ":" in listen.address.host else "4" for listen in draft.listen.values()))
    _complete(draft, resolver)
    findings = [*check(draft, resolver), *check_reach(draft)]

    cache.settle(draft.sections["agent"].state_dir)
    reader = ListReader(document, cache)
    numbers = {trunk.name: reader.sets_of(index, trunk) for index, trunk in draft.trunk.items()}
    pilots = {
        trunk.name: reader.sets_at(("trunk", index, "pilot_numbers"), trunk.pilot_numbers, "owned")
        for index, trunk in draft.trunk.items()
    }
    findings += _shared(draft, numbers)
    findings += _empty(draft, numbers)
    lists = draft.sections["lists"]
    old = (lists.old_after, "old_after")
    do_not_originate = reader.sets_at(("lists", "do_not_originate"), lists.do_not_originate, "listed", old)
    may_originate = reader.sets_at(("lists", "may_originate"), lists.may_originate, "listed")
    nanp_unallocated = reader.sets_at(("lists", "nanp_unallocated"), lists.nanp_unallocated, "codes", old)
    old = (lists.do_not_call_old_after, "do_not_call_old_after")
    do_not_call = reader.sets_at(("lists", "do_not_call"), lists.do_not_call, "listed", old)
    prefix_reader = PrefixReader(document)
    destinations = prefix_reader.destinations(draft)
    toll_reader = TollReader(document)
    toll = toll_reader.table(draft)
    network_reader = NetworkReader(document, cache)
    networks = network_reader.read(lists)
    findings += check_networks(draft, networks)
    material, stir_findings = _stir(draft)
    findings += stir_findings

    notices = list(reader.notices)
    problems += [*draft.problems, *reader.problems, *prefix_reader.problems, *toll_reader.problems]
    problems += network_reader.problems
    for finding in findings:
        if not _reported(finding.loc, draft.bad):
            text = problem(finding.code, document.file_of(finding.loc), document.key_of(finding.loc), **finding.values)
            (notices if CATALOGUE[finding.code].notice else problems).append(text)
    if problems:
        raise ConfigError(tuple(problems))
    cache.keep(reader.used, network_reader.used)
    settings = draft.settings()
    return Loaded(
        settings,
        tuple(notices),
        tuple(document.files),
        numbers,
        networks,
        do_not_originate,
        may_originate,
        nanp_unallocated,
        material,
        pilots,
        destinations,
        do_not_call,
        toll,
        tuple(reader.ages),
        all_ways(settings),
    )


def _complete(draft: Draft, resolver: Resolver) -> None:
    """Fill in what follows from other keys and from name servers."""
    country = draft.sections["agent"].country
    for index, upstream in draft.upstream.items():
        draft.names += _host_names(("upstream", index, "targets"), upstream.targets)
        draft.upstream[index] = resolver.upstream(upstream)
    for index, trunk in draft.trunk.items():
        draft.names += _host_names(("trunk", index, "contact"), trunk.contact)
        draft.trunk[index] = resolver.trunk(trunk, country)


def _stir(draft: Draft) -> tuple[Material | None, list[Finding]]:
    """What ``[stir]`` and ``sign`` name. Who uses none of it doesn't load the libraries either."""
    stir = draft.sections["stir"]
    verifies = any(trunk.stir != "ignore" for trunk in draft.trunk.values())
    verifies = verifies or bool(stir.model_fields_set & {"roots", "revocations", "preload", "fetch_ca"})
    if not verifies and all(upstream.sign is None for upstream in draft.upstream.values()):
        return None, []
    from edge_agent.stir import material

    folder = draft.document.path.parent
    read, found = material.read(stir, draft.upstream, verifies, folder, credentials_directory())
    return read, [Finding(code, loc, values) for code, loc, values in found]


def _host_names(loc: Loc, addresses: list[Address]) -> list[tuple[Loc, Address]]:
    return [((*loc, position), address) for position, address in enumerate(addresses) if address.is_name]


def _shared(draft: Draft, numbers: dict[str, tuple[NumberSet, ...]]) -> list[Finding]:
    places = {trunk.name: index for index, trunk in draft.trunk.items()}
    shared, complete = shared_numbers(numbers)
    findings = [
        Finding(
            "numbers-shared",
            ("trunk", places[second], "caller_ids"),
            {"number": f"+{number}", "other": f"trunk {first!r}"},
        )
        for first, second, number in shared
    ]
    return findings if complete else [*findings, Finding("numbers-unchecked", ("trunk",))]


def _empty(draft: Draft, numbers: dict[str, tuple[NumberSet, ...]]) -> Iterator[Finding]:
    """Trunks whose lists hold nothing; one with no list at all is told of already."""
    for index, trunk in draft.trunk.items():
        if trunk.caller_ids and not any(len(owned) for owned in numbers[trunk.name]):
            yield Finding("no-numbers", ("trunk", index, "caller_ids"))


def _reported(loc: Loc, bad: set[Loc]) -> bool:
    """Is the key, one above it or one below it already known to be wrong?"""
    return any(loc[: len(other)] == other or other[: len(loc)] == loc for other in bad)
