"""The tables of the configuration that stand once and know no peer: [bans] to [cluster]. ``settings.py`` has the others.

As there, a model checks one value at a time, and nothing here reads a file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from edge_agent.policy.section import START, NotBuilt, Section, setting
from edge_agent.policy.values import (
    Address,
    CodeEntry,
    Domain,
    Duration,
    Kind,
    NetworkEntry,
    NumberEntry,
    PublicAddress,
    RedisURL,
    SocketPath,
    Source,
    WebURL,
)


class Bans(Section):
    """[bans]: when a source is shut out, and for how long."""

    first: Duration = setting(60.0, "The first ban of a source.", ge=1, le=86400)
    longest: Duration = setting(
        3600.0, "The longest, after repeats: each within a day is twice the last.", ge=1, le=7 * 86400
    )
    strikes: int = setting(20, "Dropped messages of a stranger before it is banned.", ge=1, le=10_000)
    forget: Duration = setting(600.0, "The time in which as many strikes are forgotten.", ge=1, le=4 * 3600)
    kernel: bool = setting(True, "Hand bans over to nftables, where its helper runs.", life=START)
    helper: SocketPath = setting("/run/edge-agent-nft/control.sock", "Socket of that helper.", life=START)


class Tables(Section):
    """[tables]: memory that is taken at start and never grows."""

    rates_mib: int = setting(16, "Rate cells, MiB; strikes take a quarter as much besides.", life=START, ge=1, le=4096)
    transactions_mib: int = setting(64, "Transaction cache, MiB.", life=START, ge=1, le=16384)
    callers_mib: int = setting(8, "Who has called whom, for callee-rate, MiB.", life=START, ge=1, le=4096)
    leases_mib: int = setting(16, "Leases of calls, and marks, half each, MiB.", life=START, ge=1, le=4096)
    deferred_mib: int = setting(
        8, "INVITEs that wait to be verified or signed, MiB; each takes 21 KiB.", life=START, ge=1, le=64
    )
    behaviour_mib: int = setting(
        8, "What callers and trunks do, for dispersal and the like, MiB.", life=START, ge=5, le=4096
    )
    explain_mib: Annotated[int, NotBuilt("the memory of past decisions")] = setting(
        16, "Records of refused calls for explain, MiB.", life=START, ge=1, le=4096
    )


class Lists(Section):
    """[lists]: networks that get nothing or are never banned, and numbers that rules of the whole agent look at."""

    deny: list[NetworkEntry] = setting(
        [], 'Networks whose messages are dropped unread: "203.0.113.0/24", "203.0.113.7 2026-12-31", "file:deny.txt".'
    )
    allow: list[NetworkEntry] = setting(
        [], "Networks that are never banned and get no strikes; strangers all the same."
    )
    do_not_originate: list[NumberEntry] = setting(
        [],
        'Numbers that never make calls: "+18005550100", a range, a prefix, "file:dno.txt"; a date behind one ends it.',
    )
    may_originate: list[NumberEntry] = setting(
        [], "Numbers that do all the same, listed, unallocated or impossible as they are: PSAPs, government services."
    )
    nanp_unallocated: list[CodeEntry] = setting(
        [],
        'Codes of the North American plan that nobody was given: "223", "212-555", "212-555-1", "file:codes.txt";'
        " NANPA's npa_report.csv is taken as it is.",
    )
    old_after: Duration = setting(
        90 * 86400.0,
        "Age at which a file of do_not_originate or nanp_unallocated gets a notice; 0s: never.",
        ge=0,
        le=3650 * 86400,
    )
    do_not_call: list[NumberEntry] = setting(
        [],
        "Numbers that aren't to be called, written as do_not_originate; edge-agent dnc keeps those that asked you.",
    )
    do_not_call_old_after: Duration = setting(
        31 * 86400.0,
        "Age at which a file of do_not_call gets a notice (47 CFR 64.1200(c)(2)(i)(D)); 0s: never.",
        ge=0,
        le=3650 * 86400,
    )


class Stir(Section):
    """[stir]: verification of Identity headers."""

    roots: Annotated[str, Kind("path")] = setting(
        "/etc/edge-agent/sti-roots", "Folder of trusted root certificates, *.pem and *.crt; or one file of them."
    )
    freshness: Duration = setting(60.0, "How old a signature may be, and how far ahead.", ge=1, le=3600)
    on_unavailable: Literal["pass", "reject"] = setting(
        "pass", "A certificate can't be had: pass the call unverified, or 436."
    )
    x5u_hosts: list[Domain] = setting([], "Hosts that certificates may come from; empty: any public one.")
    fetch_allow: list[Source] = setting([], "Networks that are not public and still may serve certificates.")
    fetch_ca: Annotated[str, Kind("path")] = setting("", "CA file for these hosts; empty: the system's.")
    revocations: Annotated[str, Kind("path")] = setting(
        "", "The administrator's revocation list, PEM or DER; empty: none. A file is read again at each reload."
    )
    revocations_signer: Annotated[str, Kind("path")] = setting("", "Certificate of who signs that list.")
    preload: dict[str, str] = setting({}, "Certificates by URL, from files, relative to the configuration's folder.")


class Admin(Section):
    """[admin]: how operators reach the process."""

    socket: SocketPath = setting("/run/edge-agent/control.sock", "Control socket of the commands.", life=START)
    http: Annotated[PublicAddress, NotBuilt("the admin page and metrics over HTTP", quiet=(None,))] = setting(
        Address("127.0.0.1", 9061), 'Address of metrics, page and API; "": none.', life=START
    )


class Events(Section):
    """[events]: where records of verdicts go."""

    log: Literal["journal", "stderr"] = setting("journal", "Where the log goes.", life=START)
    store: Annotated[str, Kind("path"), NotBuilt("the event store", quiet=("",))] = setting(
        "events.db", 'SQLite file, relative to state_dir; "": none.', life=START
    )
    hep: Annotated[PublicAddress, NotBuilt("HEP export", quiet=(None,))] = setting(
        None, "Homer's address for HEPv3; unset: none.", life=START
    )
    webhook: WebURL = setting("", "URL told of each emergency call within a second, by POST of a JSON object.")


class Cluster(Section):
    """[cluster]: limits and bans shared by a fleet."""

    url: Annotated[RedisURL, NotBuilt("fleets with shared limits", quiet=("",))] = setting(
        "", "redis:// or rediss:// URL; empty: this node alone.", life=START
    )
