"""Every error and notice that an operator can read: its code, what is wrong and whose fault, and what to do.

A code stays stable once it ships, since people search for it. Nothing per
message is here: what is wrong with a SIP message is a reason (``reasons.py``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One error of the catalogue; message and hint are ``str.format`` templates."""

    message: str
    hint: str = ""
    notice: bool = False
    """A good configuration may have it."""


CATALOGUE: dict[str, Entry] = {
    # files
    "file-unreadable": Entry("can't be read: {why}", "the agent's user needs to read it"),
    "not-toml": Entry("is not valid TOML: {why}", "{hint}"),
    # keys and values
    "unknown-key": Entry("there is no such key", "{hint}"),
    "missing-key": Entry("this key is missing", "{hint}"),
    "bad-value": Entry("{what}", "{hint}"),
    # what a policy needs
    "no-listener": Entry("no listener, so no message can come in", "add a [[listen]] with an address"),
    "no-upstream": Entry("no upstream, so no call can go anywhere", "add an [[upstream]] with name and targets"),
    "no-trunk": Entry(
        "no trunk: every source is unknown and gets nothing", "add a [[trunk]] for each customer", notice=True
    ),
    "too-many-listeners": Entry(
        "{count} listeners; an agent has at most {most}",
        "listen on 0.0.0.0 with advertise, or split them over two agents",
    ),
    "too-many-peers": Entry(
        "{count} trunks and upstreams together; an agent has at most {most}", "split the trunks over two agents"
    ),
    # names and references
    "duplicate-name": Entry(
        "the name {name!r} is also that of {other}", "trunks and upstreams share their names in logs and metrics"
    ),
    "no-such-upstream": Entry("there is no upstream {name!r}", "{hint}"),
    "emergency-upstream-missing": Entry(
        'emergency = "{emergency}" needs an emergency_upstream', "name the [[upstream]] that leads to the PSAP"
    ),
    # addresses
    "duplicate-listener": Entry("{address} is already the address of {other}", "give each listener its own"),
    "listener-overlap": Entry(
        "{other} has this port on every address, {address} too", "remove one of the two, or give it another port"
    ),
    "advertise-missing": Entry(
        "listens on every address and doesn't say which one peers shall answer to", 'set advertise = "host:port"'
    ),
    "target-is-listener": Entry("{address} is this agent's own listener: calls would go in circles"),
    "no-listener-of-family": Entry(
        "there is no {family} listener, so nothing can be sent to {address}",
        'add a [[listen]] with an {family} address, or "{any}:5060" and advertise',
    ),
    "unresolvable": Entry("the name {host!r} has no address: {why}", "check the name and the resolver"),
    "sources-missing": Entry("has no sources, so no message can be its own", 'set sources = ["192.0.2.10/32"]'),
    "sources-shared": Entry(
        "{network} is also a source of {other}, so nobody can tell whose call it is",
        "{hint}",
    ),
    # rules
    "rule-structural": Entry('"{rule}" always holds; its mode can\'t be {mode!r}', "remove the mode"),
    "rule-not-built": Entry('"{rule}" is not built yet and can\'t enforce anything', 'use mode = "monitor" or "off"'),
    "limit-slow": Entry(
        "a burst of {burst} at {rate} per second is had again after {seconds} s; {most} s is the longest that is kept",
        "set {rate_key} to {least} or more, or {burst_key} to {highest} or less",
    ),
    "behaviour-order": Entry("what is warned of would be blocked already", "set warn to {block} or less"),
    "redress-missing": Entry(
        '"{rule}" would block calls, and nobody is named whom the wrongly blocked can turn to',
        "set url, tel or email in [redress]",
    ),
    "bans-order": Entry("the first ban is longer than the longest", "set first to {longest} or less"),
    # number lists
    "list-unreadable": Entry("can't be read: {why}", "{hint}"),
    "list-line": Entry("{what}", 'a line is "+12125550100", "+12125550100..+12125550199" or "+1212555*"'),
    "list-failed": Entry("can't be compiled: {why}", "the list itself may be fine; look at room on disk and in memory"),
    "list-file": Entry("{what}", notice=True),
    "list-old": Entry("{days} days old, by {by}", "load a newer one, or set [lists] {setting}", notice=True),
    "list-wide": Entry(
        "holds for trunks of other classes than telemarketing too: {trunks}",
        'one that makes no sales calls: [trunk.rules.do-not-call] mode = "off"',
        notice=True,
    ),
    "code-line": Entry("{what}", "{hint}"),
    "list-more": Entry("reading stopped after {count} bad lines"),
    "prefix-line": Entry("{what}", 'a line is "+1900*", or "*" for every number'),
    "prefix-both": Entry("{prefix} is also allowed ({place})", "list it once; the longest prefix of a number decides"),
    "prefix-many": Entry("more than {most} prefixes", "what all of them have in common is a shorter prefix"),
    # toll-fraud
    "dear-line": Entry("{what}", "{hint}"),
    "dear-twice": Entry("{prefix} is listed twice ({place})", "list it once; the longest prefix of a number decides"),
    "dear-many": Entry("more than {most} different prices", "round them, or leave them to prices"),
    "dear-general": Entry("what is dear is the same for every trunk", "write it in [rules.toll-fraud]"),
    # STIR
    "stir-file": Entry("{path}: {why}", "{hint}"),
    "certificate-url": Entry(
        "certificates aren't fetched from there: {why}", "https on port 443 or 8443, a host and a path, nothing else"
    ),
    # calling hours
    "hours-order": Entry("the hours end before they begin", 'set "from" to an earlier time than {until}'),
    "business-order": Entry("the hours end before they begin", "set business_from to an earlier time than {until}"),
    "zones-general": Entry("the zone of a number is the same for every trunk", "write it in [rules.calling-hours]"),
    "zones-missing": Entry("this host doesn't know the time zone {zone}", "install the package tzdata"),
    # lists of networks
    "network-line": Entry("{what}", "{hint}"),
    "network-denied": Entry(
        "{network} ({place}) is denied, but it lies within {other}", "a deny list can't shut out who is configured"
    ),
    "network-both": Entry("{network} ({place}) is also allowed ({other})", "list it once"),
    # accepted, with a notice
    "not-built": Entry("accepted, not built yet: {what}", "it has no effect in this version", notice=True),
    "not-built-refused": Entry("not built yet: {what}", "{hint}"),
    "trunk-unaffected": Entry('"{rule}" looks at unknown sources only: this has no effect on a trunk', notice=True),
    "name-without-port": Entry(
        "the name {host!r} is looked up as an address; SRV records are not built yet", "write host:port", notice=True
    ),
    "targets-shared": Entry(
        "{address} is also a target of {other}: what comes from there counts as {other}'s", notice=True
    ),
    "every-address": Entry(
        "{network} takes every unknown address for this customer", "name the customer's networks", notice=True
    ),
    "no-numbers": Entry(
        "owns no number: every call with a caller ID is refused", "list its numbers in caller_ids", notice=True
    ),
    "no-contact": Entry(
        "has no contact: calls to its numbers are answered 404", 'set contact = ["192.0.2.10:5060"]', notice=True
    ),
    "only-first": Entry(
        "only the first is used: nothing asks which of them live", 'set probe_every, such as "10s"', notice=True
    ),
    "webhook-plain": Entry(
        "who calls emergency services is told over a connection that anybody on the way can read",
        "use https",
        notice=True,
    ),
    "numbers-shared": Entry("{number} is also a number of {other}", notice=True),
    "numbers-unchecked": Entry("too many trunks to look for numbers that two of them own", notice=True),
    "credential-absent": Entry(
        "systemd passed no credentials to this process, so calls to this upstream aren't signed",
        "the unit needs LoadCredential={name}:/path/of/the/key",
        notice=True,
    ),
    "no-roots": Entry(
        "{path} isn't there: no signed call can be verified, each is answered 437", "{hint}", notice=True
    ),
    "revocations-old": Entry(
        "{path}: a newer list was due on {when}", "get the administrator's current one; this one holds", notice=True
    ),
    "state-dir": Entry("{path} isn't there and can't be made by this user: {why}", "{hint}", notice=True),
    "receive-buffer": Entry(
        "the kernel grants receive buffers of {granted} bytes; bursts need {wanted}",
        "sysctl -w net.core.rmem_max={wanted}",
        notice=True,
    ),
}


@dataclass(frozen=True)
class Problem:
    """One error or notice about the configuration. ``str()`` is the line that an operator reads."""

    file: str
    key: str
    message: str
    hint: str = ""
    code: str = ""

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.key) if part)
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(Exception):
    """A configuration that is refused, with everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def problem(code: str, file: str, key: str, **values: object) -> Problem:
    """The problem of the catalogue with that code, filled in."""
    entry = CATALOGUE[code]
    return Problem(file, key, entry.message.format(**values), entry.hint.format(**values), code)
