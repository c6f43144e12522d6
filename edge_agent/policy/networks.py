"""``[lists] allow`` and ``deny``: networks in the key or in files beside it to sets of the engine, and who mustn't be denied.

A peer's network is longer than a denied one around it, so it wins; a denied
network within a peer's would win over the peer, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING

from edge_agent.errors import Problem, problem
from edge_agent.policy.checks import Finding
from edge_agent.policy.draft import Draft
from edge_agent.policy.lists import LINES_SHOWN, FileKey, NumberCache, read_regular, unreadable
from edge_agent.policy.merge import Document, Loc
from edge_agent.policy.sections import Lists

if TYPE_CHECKING:
    from edge_agent._hot import NetworkSet


@dataclass(frozen=True)
class NetworkList:
    """One list as the engine's set, and where it was written."""

    set: NetworkSet
    loc: Loc
    file: str
    """Name of the list's own file; "": it stands in the key itself."""

    def place(self, line: int) -> str:
        """Where a line of it stands, as people read it."""
        return f"{self.file} line {line}" if self.file else f"entry {line}"


@dataclass(frozen=True)
class NetworkLists:
    """All lists of networks of a configuration."""

    allow: tuple[NetworkList, ...] = ()
    deny: tuple[NetworkList, ...] = ()

    def tables(self) -> tuple[tuple[str, NetworkSet], ...]:
        """The sets with the name of their key, for the policy."""
        return (*(("allow", one.set) for one in self.allow), *(("deny", one.set) for one in self.deny))

    def never_banned(self, network: IPv4Network | IPv6Network, wall_ns: int) -> bool:
        """Would a ban of this network touch one that is on the allow list at that wall time?"""
        return any(one.set.touches(str(network), wall_ns) for one in self.allow)


@dataclass
class NetworkReader:
    """Reads the networks of one load; collects what is wrong with them. The grammar is the engine's."""

    document: Document
    cache: NumberCache
    used: set[FileKey] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def read(self, lists: Lists) -> NetworkLists:
        return NetworkLists(self._key(("lists", "allow"), lists.allow), self._key(("lists", "deny"), lists.deny))

    def _key(self, loc: Loc, entries: list[str]) -> tuple[NetworkList, ...]:
        files = [entry.startswith("file:") for entry in entries]
        # A file's place stays as an empty line, so that line n is entry n.
        lines = ["" if is_file else entry for entry, is_file in zip(entries, files, strict=True)]
        found = [] if all(files) else [self._inline(loc, lines)]
        for position, is_file in enumerate(files):
            if is_file:
                found.append(self._file((*loc, position), entries[position].removeprefix("file:")))
        return tuple(one for one in found if one is not None)

    def _inline(self, loc: Loc, lines: list[str]) -> NetworkList | None:
        from edge_agent._hot import NetworkListError, NetworkSet

        try:
            return NetworkList(NetworkSet("\n".join(lines).encode()), loc, "")
        except NetworkListError as error:
            for line, what, hint in error.errors:
                where = (*loc, line - 1)
                file, key = self.document.file_of(where), self.document.key_of(where)
                self.problems.append(problem("network-line", file, key, what=what, hint=hint))
        return None

    def _file(self, loc: Loc, name: str) -> NetworkList | None:
        from edge_agent._hot import NetworkListError, NetworkSet

        path = self.document.path.parent / name
        try:
            key, text = read_regular(path, self.cache.networks)
            self.used.add(key)
            if text is not None:
                self.cache.networks[key] = NetworkSet(text)
            return NetworkList(self.cache.networks[key], loc, str(path))
        except OSError as error:
            file, written = self.document.file_of(loc), self.document.key_of(loc)
            self.problems.append(unreadable(file, written, path, error))
        except NetworkListError as error:
            for line, what, hint in error.errors:
                self.problems.append(problem("network-line", str(path), f"line {line}", what=what, hint=hint))
            if len(error.errors) >= LINES_SHOWN:
                self.problems.append(problem("list-more", str(path), "", count=LINES_SHOWN))
        return None


def check_networks(draft: Draft, lists: NetworkLists) -> Iterator[Finding]:
    """Denied networks that would shut out a peer or ourselves, or that are allowed as well."""
    for denied in lists.deny:
        for network, other in _configured(draft):
            found = denied.set.within(network)
            if found is not None:
                values = {"network": found[0], "place": denied.place(found[1]), "other": other}
                yield Finding("network-denied", denied.loc, values)
        for allowed in lists.allow:
            both = denied.set.shared(allowed.set)
            if both is not None:
                network, line, other_line = both
                values = {"network": network, "place": denied.place(line), "other": allowed.place(other_line)}
                yield Finding("network-both", denied.loc, values)


def _configured(draft: Draft) -> Iterator[tuple[str, str]]:
    """Networks that must not be denied, with whose they are. An open trunk's are not its own."""
    for index, upstream in draft.upstream.items():
        for network in upstream.sources:
            yield (
                str(network),
                f"{network} of upstream {upstream.name!r} ({_where(draft, ('upstream', index, 'sources'))})",
            )
    for index, trunk in draft.trunk.items():
        for network in trunk.sources:
            if network.prefixlen and not trunk.open:
                yield str(network), f"{network} of trunk {trunk.name!r} ({_where(draft, ('trunk', index, 'sources'))})"
    for index, listen in draft.listen.items():
        for at in dict.fromkeys((listen.address, listen.public)):
            if not at.is_name and not ip_address(at.host).is_unspecified:
                yield at.host, f"listener {at} ({_where(draft, ('listen', index, 'address'))})"


def _where(draft: Draft, loc: Loc) -> str:
    return f"{draft.document.file_of(loc)}: {draft.document.key_of(loc)}"
