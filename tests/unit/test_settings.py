"""Single settings: what they take, what they refuse and with which hint, and the reference that is read out of them."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from edge_agent.policy.section import NotBuilt
from edge_agent.policy.settings import Listen, Settings, Trunk, Upstream, keys_of, reference, section_of
from edge_agent.policy.values import (
    Address,
    read_address,
    read_country,
    read_destination,
    read_duration,
    read_local_address,
    read_network,
    read_public_address,
    read_target,
    write_duration,
)
from edge_agent.rules import BY_NAME, RULES, Mode
from edge_agent.rules.emergency import EmergencySettings
from edge_agent.rules.source_rate import SourceRateSettings

CONFIG = Path(__file__).resolve().parents[2] / "config" / "edge_agent.toml"
TRUNK: dict[str, Any] = {"name": "acme", "upstream": "cloud", "sources": ["192.0.2.10"]}

# Values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("10s", 10), ("500ms", 0.5), ("1.5s", 1.5), ("5m", 300), ("24h", 86400), ("30d", 2592000)],
)
def test_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds
    assert read_duration(write_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "value", ["", "10", "s", "10 s", "-1s", "1h30m", "10S", "1e3s", ".5s", True, None, [], 10, 1.5]
)
def test_no_duration(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        read_duration(value)


def test_a_bare_number_is_told_its_unit() -> None:
    with pytest.raises(PydanticCustomError) as error:
        read_duration(10)
    assert (error.value.context or {})["hint"] == 'write "10s", or ms, m, h or d'


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1:5060", Address("192.0.2.1", 5060)),
        ("192.0.2.1", Address("192.0.2.1", 0)),
        ("[2001:DB8::1]:5061", Address("2001:db8::1", 5061)),
        ("[::1]", Address("::1", 0)),
        ("SBC.example.NET:5060", Address("sbc.example.net", 5060)),
        ("sbc.example.net.", Address("sbc.example.net", 0)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "value",
    [
        "",
        ":5060",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.256:5060",
        "1.2.3:5060",
        "2001:db8::1",
        "[192.0.2.1]:5060",
        "[fe80::1%eth0]:5060",
        "[2001:db8::1",
        "sip:host",
        "ho st:5060",
        "-host:5060",
        "host..example:5060",
        "a" * 64 + ".example",
        "host:5060\n",
        5060,
        None,
    ],
)
def test_no_address(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        read_address(value)


def test_a_bare_ipv6_address_is_told_its_brackets() -> None:
    for written, meant in (("2001:db8::1", "[2001:db8::1]:5060"), ("::1:5060", "[::1]:5060"), ("::1", "[::1]:5060")):
        with pytest.raises(PydanticCustomError) as error:
            read_address(written)
        assert (error.value.context or {})["hint"] == f'write "{meant}"'


def test_listeners_bind_addresses_only() -> None:
    assert read_local_address("0.0.0.0:5060") == Address("0.0.0.0", 5060)
    for wrong in ("sbc.example.net:5060", "192.0.2.1"):
        with pytest.raises(PydanticCustomError):
            read_local_address(wrong)


def test_what_peers_are_told_has_a_port() -> None:
    assert read_public_address("") is None
    assert read_public_address("sbc.example.net:5060") == Address("sbc.example.net", 5060)
    with pytest.raises(PydanticCustomError):
        read_public_address("sbc.example.net")


@pytest.mark.parametrize("host", ["0.0.0.0", "255.255.255.255", "224.0.1.75", "[::]", "[ff02::1]"])
def test_nothing_is_sent_to_many_or_to_nobody(host: str) -> None:
    with pytest.raises(PydanticCustomError):
        read_destination(f"{host}:5060")
    with pytest.raises(PydanticCustomError):
        read_public_address(f"{host}:5060")


@pytest.mark.parametrize("host", ["255.255.255.255", "239.1.1.1", "[ff02::1]"])
def test_a_listener_is_no_group(host: str) -> None:
    with pytest.raises(PydanticCustomError):
        read_local_address(f"{host}:5060")


def test_targets_over_udp() -> None:
    assert read_target("192.0.2.1:5060;transport=udp") == Address("192.0.2.1", 5060)
    for wrong in ("192.0.2.1;transport=tcp", "192.0.2.1;transport=tls", "192.0.2.1;maddr=192.0.2.2", "192.0.2.1;"):
        with pytest.raises(PydanticCustomError):
            read_target(wrong)


def test_networks() -> None:
    assert read_network("192.0.2.0/24") == ip_network("192.0.2.0/24")
    assert read_network("192.0.2.7") == ip_network("192.0.2.7/32")
    assert read_network("2001:db8::/48") == ip_network("2001:db8::/48")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("192.0.2.7/24", 'write "192.0.2.0/24"'),
        ("::ffff:192.0.2.7/128", 'write "192.0.2.7"'),
        ("sbc.acme.example", 'write "192.0.2.0/24", or one address; names are not taken'),
        ("192.0.2.0/33", 'write "192.0.2.0/24", or one address; names are not taken'),
        ("fe80::%eth0/64", "write the network without %"),
        (7, 'write "192.0.2.0/24"'),
    ],
)
def test_no_network(value: object, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as error:
        read_network(value)
    assert (error.value.context or {})["hint"] == hint


def test_countries() -> None:
    assert read_country("GB") == "GB"
    with pytest.raises(PydanticCustomError) as error:
        read_country("UK")
    assert (error.value.context or {})["hint"] == 'Great Britain is "GB"'
    for wrong in ("us", "", 1, None):
        with pytest.raises(PydanticCustomError):
            read_country(wrong)


# Sections


def test_a_trunk_has_the_defaults_of_the_reference() -> None:
    trunk = Trunk.model_validate(TRUNK)
    assert (trunk.calls_per_second, trunk.burst, trunk.concurrent_calls, trunk.over_limit) == (20, 40, 300, 486)
    assert (trunk.emergency, trunk.emergency_prefixes, trunk.forwards, trunk.stir) == (
        "reject",
        ["9"],
        "proof",
        "ignore",
    )
    assert trunk.rules == {} and trunk.contact == [] and not trunk.open


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("agent", "workers", 65),
        ("agent", "workers", -1),
        ("agent", "workers", 1.0),
        ("agent", "workers", "1"),
        ("agent", "mode", "off"),
        ("agent", "name", "sbc 1"),
        ("agent", "name", ""),
        ("agent", "state_dir", ""),
        ("agent", "aliases", ["sbc1.example.net:5060"]),
        ("keys", "dialog", "dialog.key"),
        ("keys", "grace", "31d"),
        ("upstream", "targets", []),
        ("upstream", "probe_every", "2h"),
        ("upstream", "methods", ["invite"]),
        ("trunk", "over_limit", 487),
        ("trunk", "burst", 0),
        ("trunk", "calls_per_second", 0),
        ("trunk", "calls_per_second", float("nan")),
        ("trunk", "concurrent_calls", 0),
        ("trunk", "ports", [0]),
        ("trunk", "ports", ["5060"]),
        ("trunk", "emergency", "accept"),
        ("trunk", "emergency_prefixes", ["12345"]),
        ("trunk", "emergency_prefixes", [""]),
        ("trunk", "emergency_prefixes", [9]),
        ("trunk", "class", "marketing"),
        ("trunk", "caller_ids", "+12125550100"),
        ("trunk", "caller_ids", ["+12125550100\n+12125550101"]),
        ("trunk", "caller_ids", [""]),
        ("trunk", "caller_ids", ["file:"]),
        ("trunk", "rules", {"no-such-rule": {}}),
        ("trunk", "rules", {"scanner": 1}),
        ("trunk", "rules", []),
        ("tables", "rates_mib", 0),
        ("tables", "rates_mib", 4097),
        ("tables", "transactions_mib", 16385),
        ("bans", "first", "0s"),
        ("redress", "url", "example.net/redress"),
        ("redress", "url", "http://example.net/redress"),
        ("redress", "url", "https://example.net/a;b"),
        ("redress", "url", 'https://example.net/a"b'),
        ("redress", "url", "https://example.net/a\r\nX: y"),
        ("redress", "url", "https://" + "x" * 201),
        ("redress", "tel", "2125550100"),
        ("redress", "email", "help"),
        ("redress", "email", "a b@example.net"),
        ("behaviour", "calls", 9),
        ("behaviour", "hold", "10s"),
        ("stir", "on_unavailable", "drop"),
        ("admin", "socket", "/run/" + "a" * 103),
        ("events", "log", "syslog"),
        ("events", "webhook", "ftp://example.net/"),
        ("trunk", "emergency_location", "ftp://example.net/"),
        ("trunk", "emergency_location", "https://a b"),
        ("trunk", "emergency_location", "https://a>\r\nX: y"),
        ("trunk", "emergency_location", "https://" + "x" * 200),
        ("trunk", "emergency_location", "https:"),
        ("upstream", "emergency_uri", "sos"),
        ("cluster", "url", "http://example.net/"),
    ],
)
def test_values_out_of_range(section: str, key: str, value: object) -> None:
    good: dict[str, Any] = {
        "upstream": {"name": "cloud", "targets": ["192.0.2.20"]},
        "trunk": TRUNK,
    }.get(section, {})
    with pytest.raises(ValidationError) as error:
        section_of(section).model_validate({**good, key: value})
    assert {details["loc"][0] for details in error.value.errors()} == {key}


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as error:
        section_of("cluster").model_validate({"url": "reddis://user:secret@example.net"})
    assert "secret" not in error.value.errors()[0]["msg"] + str(error.value.errors()[0]["ctx"])


def test_listeners_tell_their_address_unless_told_otherwise() -> None:
    assert str(Listen.model_validate({"address": "192.0.2.1:5060"}).public) == "192.0.2.1:5060"
    advertised = Listen.model_validate({"address": "192.0.2.1:5060", "advertise": "sbc.example.net:5070"})
    assert str(advertised.public) == "sbc.example.net:5070"


def test_settings_can_be_written_out() -> None:
    settings = Settings(upstream=[Upstream.model_validate({"name": "cloud", "targets": ["192.0.2.20"]})])
    written = settings.model_dump(mode="json")
    assert written["upstream"][0]["targets"] == [{"host": "192.0.2.20", "port": 0}]
    assert written["rules"]["source-rate"]["prefix_burst"] == 480


# Rules


def settings_with(mode: str, general: object = None, own: object = None) -> tuple[Settings, Trunk]:
    trunk = Trunk.model_validate({**TRUNK, "rules": own or {}})
    return Settings.model_validate({"agent": {"mode": mode}, "trunk": [trunk], "rules": general or {}}), trunk


def test_every_rule_has_settings() -> None:
    assert list(Settings().rules) == [rule.name for rule in RULES]
    assert all(type(Settings().rules[rule.name]) is rule.settings for rule in RULES)


def test_a_trunk_overrides_only_what_it_writes() -> None:
    rules = {"source-rate": {"per_second": 5, "burst": 6}}
    settings = Settings.model_validate({"rules": rules})
    trunk = Trunk.model_validate({**TRUNK, "rules": {"source-rate": {"burst": 7}}})
    own = settings.rule_settings("source-rate", trunk)
    assert isinstance(own, SourceRateSettings)
    assert (own.per_second, own.burst, own.prefix_burst) == (5, 7, 480)
    assert settings.rule_settings("source-rate") == settings.rules["source-rate"]


@pytest.mark.parametrize(
    ("general", "own", "agent", "direction", "mode"),
    [
        (None, None, "enforce", "T", Mode.ENFORCE),
        (None, None, "enforce", "U", Mode.MONITOR),
        (None, None, "enforce", "X", Mode.OFF),
        ("off", None, "enforce", "T", Mode.OFF),
        ("monitor", None, "enforce", "T", Mode.MONITOR),
        ("enforce", None, "enforce", "U", Mode.ENFORCE),
        ("off", "enforce", "enforce", "T", Mode.ENFORCE),
        ("enforce", "off", "enforce", "T", Mode.OFF),
        (None, None, "monitor", "T", Mode.MONITOR),
        (None, "enforce", "monitor", "T", Mode.MONITOR),
        ("off", None, "monitor", "T", Mode.OFF),
    ],
)
def test_mode_of_caller_format(general: str | None, own: str | None, agent: str, direction: str, mode: Mode) -> None:
    settings, trunk = settings_with(
        agent,
        {"caller-format": {"mode": general}} if general else None,
        {"caller-format": {"mode": own}} if own else None,
    )
    assert settings.rule_mode(BY_NAME["caller-format"], direction, trunk) is mode


def test_monitoring_leaves_structure_and_unknown_sources_alone() -> None:
    settings, trunk = settings_with("monitor")
    assert settings.rule_mode(BY_NAME["hops"], "T", trunk) is Mode.ENFORCE
    assert settings.rule_mode(BY_NAME["emergency"], "T", trunk) is Mode.ENFORCE
    assert settings.rule_mode(BY_NAME["scanner"], "X") is Mode.ENFORCE
    assert settings.rule_mode(BY_NAME["scanner"], "T", trunk) is Mode.MONITOR


def test_what_is_not_built_never_runs() -> None:
    settings, trunk = settings_with("enforce", {"dispersal": {"mode": "monitor"}})
    for rule in RULES:
        if not rule.built:
            assert {settings.rule_mode(rule, direction, trunk) for direction in "TUX"} == {Mode.OFF}


def test_limits_of_the_emergency_lane() -> None:
    lane = Settings().rules["emergency"]
    assert isinstance(lane, EmergencySettings)
    assert (lane.per_second, lane.burst, lane.per_caller_seconds) == (10, 100, 10)
    assert (lane.concurrent, lane.callback_seconds, lane.callbacks) == (50, 1800, 100)


# The reference


def test_reference_names_each_key_once() -> None:
    keys = [doc.key for doc in reference()]
    assert len(keys) == len(set(keys))
    assert {"agent.name", "listen[].address", "trunk[].class", "rules.scanner.signatures", "cluster.url"} <= set(keys)


def test_reference_tells_all_of_each_key() -> None:
    for doc in reference():
        assert doc.help.endswith((".", ".'")) and doc.type and doc.life in ("start", "reload"), doc
        assert "Annotated" not in doc.type and "<" not in doc.type, doc


@pytest.mark.parametrize(
    ("key", "kind", "default", "life"),
    [
        ("agent.workers", "integer", "1", "start"),
        ("keys.grace", "duration", '"1d"', "reload"),
        ("listen[].address", "IP address:port", "(required)", "start"),
        ("upstream[].targets", "list of host:port", "(required)", "reload"),
        ("trunk[].over_limit", "486 | 480 | 503 | 603", "486", "reload"),
        ("trunk[].open", "true | false", "false", "reload"),
        ("trunk[].emergency_prefixes", "list of digits", '["9"]', "reload"),
        ("rules.hops.max_forwards", "integer", "70", "reload"),
        ("rules.caller-owned.mode", "off | monitor | enforce", "", "reload"),
        ("admin.http", "host:port", '"127.0.0.1:9061"', "start"),
        ("stir.preload", "table", "{}", "reload"),
    ],
)
def test_lines_of_the_reference(key: str, kind: str, default: str, life: str) -> None:
    doc = next(doc for doc in reference() if doc.key == key)
    assert (doc.type, doc.default, doc.life) == (kind, default, life)


def test_the_shipped_file_names_every_key() -> None:
    """As a key or as a commented one, below the head of its table; modes of rules are told in prose."""
    keys: set[str] = set()
    table = ""
    for line in CONFIG.read_text().splitlines():
        if head := re.match(r"\[+([a-z.-]+)\]+", line):
            table = head[1]
        elif key := re.match(r"(?:# )?([a-z_0-9]+) = ", line):
            keys.add(f"{table}.{key[1]}")
    missing = {doc.key.replace("[]", "") for doc in reference()} - keys
    assert missing == {"trunk.rules"} | {f"rules.{rule.name}.mode" for rule in RULES}


def test_defaults_in_the_shipped_file_are_the_defaults() -> None:
    """Those that are one word on a commented line; lists of words stand there shortened."""
    docs = {doc.key.replace("[]", ""): doc for doc in reference()}
    table = ""
    compared = 0
    for line in CONFIG.read_text().splitlines():
        if head := re.match(r"\[+([a-z.-]+)\]+", line):
            table = head[1]
        elif key := re.match(r"# ([a-z_0-9]+) = (\S+)", line):
            doc = docs[f"{table}.{key[1]}"]
            written, default = key[2], doc.default
            if doc.type == "duration":
                written, default = (str(read_duration(text.strip('"'))) for text in (written, default))
            if doc.default and " " not in default and doc.key != "trunk[].country":
                assert written == default, doc.key
                compared += 1
    assert compared > 40


def test_keys_of_tables() -> None:
    assert "trunk" in keys_of(()) and "class" in keys_of(("trunk", 0)) and "class_" not in keys_of(("trunk", 0))
    assert "scanner" in keys_of(("rules",)) and "scanner" in keys_of(("trunk", 0, "rules"))
    assert keys_of(("rules", "hops")) == ["mode", "max_forwards"]
    assert keys_of(("rules", "nothing")) == keys_of(("nothing",)) == keys_of(("stir", "preload")) == []


def test_what_is_not_built_is_quiet_by_default() -> None:
    """A default that gives a notice would have the shipped file give one."""
    for name in ("listen", "upstream", "trunk"):
        for field in section_of(name).model_fields.values():
            mark = next((item for item in field.metadata if isinstance(item, NotBuilt)), None)
            if mark is not None and mark.refused:
                assert field.get_default() not in mark.refused
