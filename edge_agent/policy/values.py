"""The values that settings hold beyond TOML's own: addresses, networks, durations, countries.

Each reader takes what stands in the file and returns the value, or says what is
wrong and what to write instead. None of them asks the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from edge_agent.numbering.plans import regions

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Address:
    """Host and port. Port 0: none was written, the reader of the setting says what that means."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    @property
    def is_name(self) -> bool:
        """A host name, not an IP address."""
        return not _is_ip(self.host)


@dataclass(frozen=True)
class Kind:
    """What the reference calls a type that TOML has no word for; stands in the annotation of a setting."""

    name: str


def bad(what: str, hint: str = "") -> PydanticCustomError:
    """An error about one value. The hint says what to write."""
    return PydanticCustomError("bad_value", "{what}", {"what": what, "hint": hint})


def matching(pattern: str, kind: str, hint: str) -> AfterValidator:
    """For strings that match as a whole. ``kind`` is what they are called, ``hint`` what to write."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise bad(f"{value!r} is no {kind}", hint)
        return value

    return AfterValidator(check)


# Durations


_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read_duration(value: object) -> float:
    """ "90s", "500ms", "24h" to seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise bad("a duration needs its unit", f'write "{value}s", or ms, m, h or d')
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise bad("is no duration", 'write a number and ms, s, m, h or d: "10s"')
    return float(match[1]) * _SECONDS[match[2]]


def write_duration(seconds: float) -> str:
    """Seconds to the longest unit that holds them whole: 90 is "90s", 3600 is "1h"."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds else "0s"


# Addresses


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^][]*)\]|(?P<host>[^][:]*))(?::(?P<port>\d{1,5}))?")


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def read_address(value: object) -> Address:
    """ "host:port", "[v6]:port", or a host alone."""
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise bad("is no address", f'write "{_bracketed(value)}"')
    port = int(match["port"] or 0)
    if match["port"] is not None and not 1 <= port <= 65535:
        raise bad(f"{port} is no port", "ports go from 1 to 65535")
    return Address(_read_host(match["host"], match["v6"]), port)


def _bracketed(value: object) -> str:
    """What was meant, where an IPv6 address lacks its brackets: "::1:5060" is one too, but so ends the usual port."""
    if not isinstance(value, str) or not _is_ip(value) or "%" in value:
        return "192.0.2.10:5060"
    host, _, port = value.rpartition(":")
    return f"[{host}]:{port}" if port in ("5060", "5061") and _is_ip(host) else f"[{value}]:5060"


def _read_host(host: str | None, v6: str | None) -> str:
    if v6 is not None:
        if not _is_ip(v6) or "%" in v6 or ":" not in v6:
            raise bad(f"{v6!r} is no IPv6 address", "zones such as %eth0 are not taken")
        return str(ip_address(v6))
    assert host is not None
    if _is_ip(host):
        return host
    last = host.rstrip(".").rpartition(".")[2]
    if not _HOST_NAME.fullmatch(host) or last.isdigit():
        raise bad(f"{host!r} is neither an IP address nor a host name")
    return host.lower().rstrip(".")


def read_local_address(value: object) -> Address:
    """An address to bind to: an IP address and its port."""
    address = read_address(value)
    if address.is_name:
        raise bad("a listener needs an IP address", f'bind the IP address and set advertise = "{address.host}:…"')
    if not ip_address(address.host).is_unspecified:
        _check_one_host(address)
    return _with_port(address)


def read_public_address(value: object) -> Address | None:
    """An address with its port that peers may be told; "" is none."""
    return None if value == "" else _with_port(read_destination(value))


def read_destination(value: object) -> Address:
    """An address that a message may be sent to, by the agent or a peer."""
    address = read_address(value)
    if not address.is_name:
        _check_one_host(address)
    return address


def _check_one_host(address: Address) -> None:
    ip = ip_address(address.host)
    if ip.is_unspecified or ip.is_multicast or address.host == "255.255.255.255":
        raise bad(f"{address.host} is no address of one host")


def read_target(value: object) -> Address:
    """An upstream's target: an address, with ";transport=udp" at most."""
    host, separator, parameters = value.partition(";") if isinstance(value, str) else (value, "", "")
    if separator and parameters.lower() != "transport=udp":
        if parameters.lower() in ("transport=tcp", "transport=tls"):
            raise bad(f"targets over {parameters[-3:]} are not built yet", "only UDP targets are served")
        raise bad(f"{parameters!r} is no parameter of a target", "the only one is ;transport=")
    return read_destination(host)


def _with_port(address: Address) -> Address:
    if not address.port:
        raise bad("the port is missing", f'write "{Address(address.host, 5060)}"')
    return address


def read_network(value: object) -> Network:
    """ "192.0.2.0/24", or one address."""
    if not isinstance(value, str):
        raise bad("is no network", 'write "192.0.2.0/24"')
    try:
        network = ip_network(value)
    except ValueError:
        raise _bad_network(value) from None
    if "%" in value:
        raise bad("has a zone, which no packet carries", "write the network without %")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise bad("is an IPv4 network written as IPv6", f'write "{network.network_address.ipv4_mapped}"')
    return network


def _bad_network(value: str) -> PydanticCustomError:
    try:
        return bad("has bits set behind its length", f'write "{ip_network(value, strict=False)}"')
    except ValueError:
        return bad(f"{value!r} is no network", 'write "192.0.2.0/24", or one address; names are not taken')


# Other words


def read_country(value: object) -> str:
    """A country that has a numbering plan."""
    if not isinstance(value, str) or value not in regions():
        hint = 'Great Britain is "GB"' if value == "UK" else 'two capital letters of ISO 3166, such as "US"'
        raise bad(f"{value!r} is no country with a numbering plan", hint)
    return value


def _check_url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in schemes and bool(parts.hostname)
        except ValueError:
            good = False
        if value and not good:
            # The value itself stays out of the message: it may hold a password.
            raise bad("is no URL of this kind", f"it starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return AfterValidator(check)


def _check_location(value: str) -> str:
    """RFC 6442 §4.1: a location by reference; what it points to is the PSAP's to ask for."""
    if value and not re.fullmatch(r"(?:https?|sips?|pres):[!#-;=?-\[\]_a-z~]{1,190}", value, re.IGNORECASE):
        raise bad("is no URI of a location", 'at most 200 bytes: "https://…", "sip:…" or "pres:…"')
    return value


def _check_socket_path(value: str) -> str:
    if len(value.encode()) > 107:
        raise bad("is too long for the path of a socket", "at most 107 bytes")
    return value


def _check_domain(value: str) -> str:
    address = read_address(value)
    if address.port:
        raise bad("a domain has no port here", "any port matches")
    return address.host


def _check_list_file(value: str) -> str:
    if not value.startswith("file:") or value == "file:":
        raise bad("is no file", 'write "file:" and a path')
    return value


def _check_number_entry(value: str) -> str:
    if not value.isprintable():
        raise bad("holds control characters", "one entry per string")
    if value.startswith("file:"):
        return _check_list_file(value)
    if not value.strip():
        raise bad("is empty", 'write "+12125550100", a range, a prefix or "file:" and a path')
    return value


def _check_prefix_entry(value: str) -> str:
    if not value.isprintable():
        raise bad("holds control characters", "one entry per string")
    if value.startswith("file:"):
        return _check_list_file(value)
    if not value.strip():
        raise bad("is empty", 'write "+1900*", "*" for every number, or "file:" and a path')
    return value


def _check_dear_entry(value: str) -> str:
    if not value.isprintable():
        raise bad("holds control characters", "one entry per string")
    if value.startswith("file:"):
        return _check_list_file(value)
    if not value.strip():
        raise bad("is empty", 'write "+37190* premium 2.50", or "file:" and a path')
    return value


def _check_zone(value: str) -> str:
    if value not in available_timezones():
        close = get_close_matches(value, available_timezones(), n=1, cutoff=0.6)
        hint = f'did you mean "{close[0]}"?' if close else 'a name of the IANA database, such as "America/New_York"'
        raise bad(f"{value!r} is no time zone", hint)
    return value


def read_clock(value: object) -> int:
    """ "08:00" to minutes since midnight; "24:00" is its end."""
    match = re.fullmatch(r"(\d{2}):(\d{2})", value) if isinstance(value, str) else None
    minutes = int(match[1]) * 60 + int(match[2]) if match is not None and int(match[2]) < 60 else 1441
    if minutes > 1440:
        raise bad("is no time of day", 'write "08:00", from "00:00" to "24:00"')
    return minutes


def write_clock(minutes: int) -> str:
    """Minutes since midnight as "08:00"."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _check_network_entry(value: str) -> str:
    if not value.isprintable():
        raise bad("holds control characters", "one entry per string")
    if value.startswith("file:"):
        return _check_list_file(value)
    if not value.strip():
        raise bad("is empty", 'write "203.0.113.0/24", or "file:" and a path')
    return value


def _check_key_source(value: str) -> str:
    if value.startswith("credential:"):
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}", value.removeprefix("credential:")):
            raise bad("is no name of a credential", 'write "credential:" and the name in LoadCredential=')
        return value
    if not value.startswith("file:") or value == "file:":
        raise bad("is no key file", 'write "file:" and a path, or "credential:" and a name')
    return value


def _check_code_entry(value: str) -> str:
    if not value.isprintable():
        raise bad("holds control characters", "one entry per string")
    if value.startswith("file:"):
        return _check_list_file(value)
    if not value.strip():
        raise bad("is empty", 'write "223", "212-555", "212-555-1" or "file:" and a path')
    return value


Duration = Annotated[float, BeforeValidator(read_duration), Kind("duration")]
LocalAddress = Annotated[Address, BeforeValidator(read_local_address), Kind("IP address:port")]
PublicAddress = Annotated[Address | None, BeforeValidator(read_public_address), Kind("host:port")]
Destination = Annotated[Address, BeforeValidator(read_destination), Kind("host:port")]
Target = Annotated[Address, BeforeValidator(read_target), Kind("host:port")]
Source = Annotated[Network, BeforeValidator(read_network), Kind("network")]
Country = Annotated[str, BeforeValidator(read_country), Kind("country")]
Domain = Annotated[str, AfterValidator(_check_domain), Kind("host name")]
Name = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "name", "up to 64 letters, digits and . _ -"), Kind("name")
]
KeySource = Annotated[str, AfterValidator(_check_key_source), Kind('"file:" path or "credential:" name')]
NetworkEntry = Annotated[str, AfterValidator(_check_network_entry), Kind('network or "file:" path')]
CodeEntry = Annotated[str, AfterValidator(_check_code_entry), Kind('code of the North American plan or "file:" path')]
PrefixEntry = Annotated[str, AfterValidator(_check_prefix_entry), Kind('prefix or "file:" path')]
DearEntry = Annotated[str, AfterValidator(_check_dear_entry), Kind('prefix with class and price, or "file:" path')]
ZoneName = Annotated[str, AfterValidator(_check_zone), Kind("time zone")]
Clock = Annotated[int, BeforeValidator(read_clock), Kind("time of day")]
NumberEntry = Annotated[str, AfterValidator(_check_number_entry), Kind('number, range, prefix or "file:" path')]
OutsideLine = Annotated[str, matching(r"[0-9]{1,4}", "outside-line prefix", "one to four digits"), Kind("digits")]
Port = Annotated[int, Field(ge=1, le=65535)]
WebURL = Annotated[str, _check_url("http", "https"), Kind("URL")]
RedisURL = Annotated[str, _check_url("redis", "rediss"), Kind("URL")]
SocketPath = Annotated[str, AfterValidator(_check_socket_path), Kind("path")]
LocationURI = Annotated[str, AfterValidator(_check_location), Kind("URI")]
