"""Every setting, once: its key, type, range, default, life span and help. The reference is read out of here.

Models check one value at a time. What two keys must agree on is in
``checks.py``, since it needs the files that they came from. Nothing here reads
a file or asks the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, SerializeAsAny, create_model

from edge_agent.policy.behaviour import Behaviour, Redress
from edge_agent.policy.section import RELOAD, REQUIRED, START, NotBuilt, Section, setting
from edge_agent.policy.sections import Admin, Bans, Cluster, Events, Lists, Stir, Tables
from edge_agent.policy.values import (
    Address,
    Country,
    Destination,
    Domain,
    Duration,
    KeySource,
    Kind,
    LocalAddress,
    LocationURI,
    Name,
    NumberEntry,
    OutsideLine,
    Port,
    PublicAddress,
    Source,
    Target,
    WebURL,
    bad,
)
from edge_agent.policy.written import default_text, type_name
from edge_agent.rules import BY_NAME, RULES, Mode, Rule, RuleSettings
from edge_agent.rules._shape import RATE_MAX, Burst, PerSecond
from edge_agent.rules.forged_marking import MARKINGS, Marking
from edge_agent.rules.interface import Method


class Agent(Section):
    """[agent]: the process and its defaults."""

    name: Name = setting("edge-agent", "Name of this node in logs and metrics.", life=START)
    mode: Literal["enforce", "monitor"] = setting(
        "enforce", "monitor: rules on the calls of trunks and upstreams only record; the structural ones still hold."
    )
    country: Country = setting("US", "Default numbering plan and emergency numbers.")
    aliases: list[Domain] = setting([], "More names by which customers call this host.")
    state_dir: Annotated[str, Kind("path")] = setting(
        "/var/lib/edge-agent", "Folder of keys and state; made when absent.", life=START, min_length=1
    )
    workers: int = setting(1, "Data-plane threads; 0: one per core.", life=START, ge=0, le=64)


class Keys(Section):
    """[keys]: secrets that outlive the process."""

    dialog: KeySource = setting(
        "file:dialog.key",
        "Key of the dialog cookies, the same on every node of a fleet: a file, relative to state_dir and made once when"
        ' absent; or a credential of the systemd unit: "credential:dialog.key".',
        life=START,
    )
    grace: Duration = setting(
        86400.0,
        "How long after a first start or a lost key unproven in-dialog requests of known peers are screened as new.",
        ge=0,
        le=30 * 86400,
    )


class Listen(Section):
    """[[listen]]: one address that messages come in at."""

    transport: Annotated[
        Literal["udp", "tcp", "tls"], NotBuilt("listeners over TCP and TLS", quiet=("udp",), refused=("tcp", "tls"))
    ] = setting("udp", "Transport.", life=START)
    address: LocalAddress = setting(REQUIRED, "IP address and port to bind.", life=START)
    advertise: PublicAddress = setting(
        None,
        "Host and port for Via and Record-Route; unset: the address. Required where that is 0.0.0.0 or ::.",
        life=START,
    )
    role: Annotated[
        Literal["proxy", "redirect"], NotBuilt("redirect servers", quiet=("proxy",), refused=("redirect",))
    ] = setting("proxy", "redirect: 302 instead of forwarding, for SBCs that ask a redirect server.", life=START)

    @property
    def public(self) -> Address:
        """The address that peers are told."""
        return self.advertise or self.address


class Sign(Section):
    """sign of an [[upstream]]: vouching for calls that go there."""

    key: KeySource = setting(
        REQUIRED, "Private key, PEM, curve P-256: a file, relative to the configuration's folder, or a credential."
    )
    x5u: WebURL = setting(REQUIRED, "URL that serves its certificate.", min_length=1)
    attest: Literal["auto", "A", "B", "C"] = setting(
        "auto", "The level. auto and A: A for a caller whose number is the trunk's own, else B; B, C: that, for all."
    )


class Upstream(Section):
    """[[upstream]]: a cloud provider or a PSAP gateway."""

    name: Name = setting(REQUIRED, "Name in trunks, logs and metrics.")
    targets: list[Target] = setting(
        REQUIRED, "Where its calls go: the first that lives; names are looked up at load.", min_length=1
    )
    domains: list[Domain] = setting([], "Hosts that a Request-URI towards it may name, besides its targets.")
    sources: list[Source] = setting([], "Networks that its own requests come from; empty: its targets.")
    methods: list[Method] = setting([], "Methods that it takes; empty: those of the rule interface.", max_length=32)
    asserts: list[Marking] = setting(
        list(MARKINGS),
        "Markings that it may assert, as a trunk's; by default all, since it is in the trust domain.",
        max_length=len(MARKINGS),
    )
    emergency_uri: Literal["dialled", "urn"] = setting(
        "dialled", "Request-URI of emergency calls to it: as dialled, or the service URN (RFC 5031)."
    )
    overload_control: bool = setting(
        False, "RFC 7339: it may ask for fewer new requests, and is told when the agent sheds some (both by loss)."
    )
    probe_every: Duration = setting(
        10.0, "Time between OPTIONS that ask which targets are up; 0s: never, and the first is taken.", ge=0, le=3600
    )
    sign: Annotated[Sign | None, Kind("table")] = setting(
        None,
        "Makes an Identity header for calls to it that have none; unset: none. key: private key (PEM, curve P-256), a file"
        ' relative to the configuration\'s folder ("file:sign.pem") or "credential:sign.pem"; x5u: URL that serves its'
        ' certificate; attest: "auto" and "A" are A where the caller\'s number is the trunk\'s own, else B; "B"; "C".',
    )


_RULE_FIELDS: dict[str, Any] = {
    rule.name.replace("-", "_"): (rule.settings, Field(default_factory=rule.settings, alias=rule.name))
    for rule in RULES
}
_RULE_TABLE: Any = create_model("RuleTable", __base__=Section, **_RULE_FIELDS)


def _read_rules(value: object) -> dict[str, RuleSettings]:
    """Settings of the rules that the table names."""
    if not isinstance(value, dict):
        raise bad("is no table of rules", "write [rules.NAME] and the keys of that rule below")
    # Not only its result is wanted: the errors of the model carry the keys below this one.
    table = _RULE_TABLE.model_validate(value)
    return {rule.name: getattr(table, rule.name.replace("-", "_")) for rule in RULES if rule.name in value}


def _read_all_rules(value: object) -> dict[str, RuleSettings]:
    written = _read_rules(value)
    return {rule.name: written.get(rule.name) or rule.settings() for rule in RULES}


EVERYWHERE: list[Source] = [IPv4Network("0.0.0.0/0"), IPv6Network("::/0")]


class Trunk(Section):
    """[[trunk]]: a customer."""

    name: Name = setting(REQUIRED, "Name in logs and metrics.")
    sources: list[Source] = setting([], "Networks that its messages come from; the longest prefix decides.")
    ports: list[Port] = setting([], "Source ports that its messages come from; empty: any.", max_length=16)
    tls_names: Annotated[list[Domain], NotBuilt("trunks told by their TLS certificate", quiet=([],))] = setting(
        [], "Names in its TLS client certificate, instead of sources."
    )
    distance: Literal["ignore", "monitor", "enforce"] = setting(
        "ignore",
        "New requests whose IP hop count (TTL) isn't what the trunk's proven messages had: passed, recorded, 403.",
    )
    open: bool = setting(
        False, "Takes callers from any address, or from any of sources where they are given, told apart by address."
    )
    upstream: Name = setting(REQUIRED, "The upstream that its calls go to.")
    contact: list[Destination] = setting([], "Where calls from the cloud to its numbers go: the first that lives.")
    probe_every: Duration = setting(
        0.0, "Time between OPTIONS that ask which contacts live; 0s: never, and the first is taken.", ge=0, le=3600
    )
    caller_ids: list[NumberEntry] = setting(
        [], 'Numbers it owns: "+12125550100", "+12125550100..+12125550199", "+1212555*", "file:acme.txt".'
    )
    pilot_numbers: list[NumberEntry] = setting(
        [], "Numbers that it may assert (P-Asserted-Identity) beside a caller of its own, written as caller_ids."
    )
    country: Country = setting("", "Its numbering plan and emergency numbers; unset: that of [agent].")
    calls_per_second: PerSecond = setting(20.0, "New calls per second.")
    burst: Burst = setting(40, "New calls that may come at once.")
    concurrent_calls: int = setting(
        300, "Calls from it that may be up at the same time, those that ring too.", ge=1, le=RATE_MAX
    )
    over_limit: Literal[486, 480, 503, 603] = setting(486, "What a call above a limit is answered.")
    overload_control: bool = setting(False, "RFC 7339: where its Via offers it, it is told when the agent sheds calls.")
    emergency: Literal["reject", "redirect", "route"] = setting(
        "reject", "What becomes of its emergency calls: 403, 302 to the emergency upstream, or routed there."
    )
    emergency_upstream: Annotated[str, Kind("name")] = setting("", "The upstream that its emergency calls go to.")
    emergency_location: LocationURI = setting(
        "", "Default location, a URI: the Geolocation of its emergency calls that bring none."
    )
    emergency_prefixes: list[OutsideLine] = setting(
        ["9"], "Outside-line digits that may stand before an emergency number.", max_length=8
    )
    class_: Annotated[
        Literal["conversational", "telemarketing", "wholesale"],
        NotBuilt("what is particular to wholesale", quiet=("conversational", "telemarketing")),
    ] = setting("conversational", "What its calls are; calling-hours holds for telemarketing.", alias="class")
    forwards: Literal["proof", "trust"] = setting(
        "proof", "Whether a foreign caller on a forwarded call needs proof that the call came in here."
    )
    asserts: list[Marking] = setting(
        [],
        'Markings that it may assert: "PAI", "Resource-Priority", "Priority", "P-Charge-Info", "verstat", "routing".',
        max_length=len(MARKINGS),
    )
    stir: Literal["ignore", "tag", "require"] = setting(
        "ignore", "Whether Identity headers are ignored, verified and marked, or required."
    )
    rules: Annotated[dict[str, SerializeAsAny[RuleSettings]], BeforeValidator(_read_rules)] = setting(
        {}, "Settings of rules for this trunk alone: [trunk.rules.NAME]."
    )

    @property
    def networks(self) -> list[Source]:
        """Where its messages come from: its sources; every address for an open trunk without any."""
        return self.sources or (EVERYWHERE if self.open else [])


class Settings(Section):
    """The whole configuration, checked and complete: every key has its value, every rule its settings."""

    agent: Agent = Field(default_factory=Agent)
    keys: Keys = Field(default_factory=Keys)
    listen: list[Listen] = Field(default_factory=list)
    upstream: list[Upstream] = Field(default_factory=list)
    trunk: list[Trunk] = Field(default_factory=list)
    rules: Annotated[dict[str, SerializeAsAny[RuleSettings]], BeforeValidator(_read_all_rules)] = Field(
        default_factory=lambda: _read_all_rules({})
    )
    bans: Bans = Field(default_factory=Bans)
    tables: Tables = Field(default_factory=Tables)
    lists: Lists = Field(default_factory=Lists)
    behaviour: Behaviour = Field(default_factory=Behaviour)
    redress: Redress = Field(default_factory=Redress)
    stir: Stir = Field(default_factory=Stir)
    admin: Admin = Field(default_factory=Admin)
    events: Events = Field(default_factory=Events)
    cluster: Cluster = Field(default_factory=Cluster)

    def rule_settings(self, name: str, trunk: Trunk | None = None) -> RuleSettings:
        """Settings of a rule, with what the trunk sets for itself put over the general ones."""
        general = self.rules[name]
        own = trunk.rules.get(name) if trunk is not None else None
        if own is None:
            return general
        return general.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})

    def rule_mode(self, rule: Rule, direction: str, trunk: Trunk | None = None) -> Mode:
        """What becomes of a finding of the rule on a message from that direction (T, U, X, or O: an open trunk's)."""
        if direction == "O" and "O" not in rule.directions:
            direction = "T"
        if not rule.built or direction not in rule.directions:
            return Mode.OFF
        default = rule.directions[direction]
        if rule.structural:
            return default
        if rule.classes is not None and trunk is not None:
            own = trunk.rules.get(rule.name)
            if own is None or own.mode is None:
                # What its calls are decides whether the rule is about them at all.
                if trunk.class_ not in rule.classes:
                    return Mode.OFF
                default = rule.classes[trunk.class_]
        mode = self.rule_settings(rule.name, trunk).mode or default
        if mode is Mode.ENFORCE and self.agent.mode == "monitor" and direction != "X":
            return Mode.MONITOR
        return mode


# The reference


class SettingDoc(NamedTuple):
    """One setting, as people read about it."""

    key: str
    type: str
    default: str
    life: str
    help: str


def reference() -> list[SettingDoc]:
    """Every setting, in the order of the file: "agent.name", "trunk[].sources", "rules.scanner.signatures"."""
    docs: list[SettingDoc] = []
    for name in Settings.model_fields:
        if name == "rules":
            for rule in RULES:
                docs += _describe(rule.settings, f"rules.{rule.name}")
        elif is_array(name):
            docs += _describe(section_of(name), f"{name}[]")
        else:
            docs += _describe(section_of(name), name)
    return docs


def is_array(section: str) -> bool:
    """Is it written [[section]]?"""
    return get_origin(Settings.model_fields[section].annotation) is list


def section_of(name: str) -> type[BaseModel]:
    """The model of a section of the file other than [rules]."""
    annotation = Settings.model_fields[name].annotation
    model = get_args(annotation)[0] if is_array(name) else annotation
    assert isinstance(model, type) and issubclass(model, BaseModel)
    return model


def keys_of(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand in the table at ``loc``; none if it is no table with fixed keys."""
    path = [part for part in loc if isinstance(part, str)]
    if not path:
        return list(Settings.model_fields)
    if "rules" in path[:2]:
        below = path[path.index("rules") + 1 :]
        if not below:
            return list(BY_NAME)
        return _written_keys(BY_NAME[below[0]].settings) if len(below) == 1 and below[0] in BY_NAME else []
    if path == ["upstream", "sign"]:
        return _written_keys(Sign)
    return _written_keys(section_of(path[0])) if len(path) == 1 and path[0] in Settings.model_fields else []


def _written_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _describe(model: type[BaseModel], prefix: str) -> Iterator[SettingDoc]:
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        life = extra["life"] if isinstance(extra, dict) else RELOAD
        key = f"{prefix}.{field.alias or name}"
        yield SettingDoc(key, type_name(field), default_text(field), str(life), field.description or "")
