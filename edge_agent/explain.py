"""``edge-agent explain FILE.sip``: what every rule makes of one message, told by the engine itself.

The message goes through an engine of its own, with the policy of the file and
empty tables: no rate is used up, no call is known. Asks no running agent and
changes nothing. How it is shown is in ``explain_view.py``.
"""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent import _hot
from edge_agent.dnc.store import FILE_NAME, RequestStore, StoreFailed
from edge_agent.events.record import address, clean
from edge_agent.hours import tell_hours
from edge_agent.keys import SECRET_BYTES, KeyFileError, dialog_secret
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded, load
from edge_agent.rules import BY_NAME, RULES, Rule
from edge_agent.systemd import credentials_directory

if TYPE_CHECKING:
    from edge_agent._hot import Step

DEFAULT_PORT = 5060
MAX_FILE = 65_535  # a datagram's
TEXT_LIMIT = 400
NOT_BUILT = "not built yet"
OFF = "off for this peer"


class BadInput(Exception):
    """The file or the source can't be used; the text is the line an operator reads."""


def parse_source(text: str) -> tuple[str, int]:
    """``IP``, ``IP:PORT``, ``[IPv6]:PORT`` or bare IPv6."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        number = int(port) if port else DEFAULT_PORT
        if not 0 < number < 65536:
            raise ValueError
        return str(ipaddress.ip_address(host)), number
    except ValueError:
        raise BadInput(f"{text!r} is no address; write 192.0.2.10, 192.0.2.10:5060 or [2001:db8::1]:5060") from None


def read_message(path: Path, crlf: bool) -> tuple[bytes, list[str]]:
    """The bytes to explain, and what was noted about them."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise BadInput(f"{path}: {len(data)} bytes; a datagram holds at most {MAX_FILE}")
    bare = data.replace(b"\r\n", b"").count(b"\n")
    if not bare:
        return data, []
    if crlf:
        note = f"{bare} bare LF line ends were converted to CRLF; if it has a body, its length changed with them"
        return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), [note]
    return data, [f"{bare} lines end in a bare LF, as on no wire; an editor may have done that: --crlf converts them"]


def explain(file: Path, source: str, config: Path, crlf: bool) -> dict[str, Any]:
    """The result as ``--json`` prints it. Raises BadInput, or ConfigError for the configuration."""
    loaded = load(config)
    sender = parse_source(source)
    data, notes = read_message(file, crlf)
    secret, note = _secret(loaded)
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, callers_mib=1, secret=secret)
    policy = compile_policy(loaded, 1, wall_ahead=time.time_ns() - time.monotonic_ns())
    tell_hours(policy, time.time())
    engine.publish(policy)
    note += _requests(engine, loaded)
    listener = _listener(loaded, sender[0])
    *steps, verdict = engine.explain(data, sender, listener, time.monotonic_ns())
    peer = _peer(engine, data, sender, listener)
    from_upstream = any(upstream.name == peer for upstream in loaded.settings.upstream)
    return {
        "file": str(file),
        "source": address(sender),
        "peer": peer,
        "notes": notes + note,
        "message": _message(data),
        "steps": [_plain(step) for step in _complete(steps, peer, from_upstream)],
        "verdict": _plain(verdict),
    }


def _requests(engine: _hot.Engine, loaded: Loaded) -> list[str]:
    """Who asked not to be called, as the running agent has it; or why that can't be told."""
    folder = Path(loaded.settings.agent.state_dir)
    if not (folder / FILE_NAME).exists():
        return []
    try:
        store = RequestStore(folder)
    except StoreFailed as error:
        return [f"requests not to be called are left out: {error}"]
    for row in store.rows():
        if row.ends > time.time():
            engine.request(row.number, row.trunk)
    store.close()
    return []


def _complete(steps: list[Step], peer: str, from_upstream: bool) -> list[Step]:
    """All rules in screening order. The engine tells those that it came to."""
    traced: dict[str, Step] = {}
    for step in steps:
        # A row that can't apply to this kind of peer says less than the sentence below.
        directions = BY_NAME[step.rule].directions.keys()
        if step.mode == "off" and (not directions & {"T", "U"} or (directions == {"U"} and not from_upstream)):
            continue
        # Of a rule's rows at most one applies to a message.
        if step.applies or step.rule not in traced:
            traced[step.rule] = step._replace(note=OFF) if step.mode == "off" and not step.note else step
    return [traced.get(rule.name) or _untold(rule, peer) for rule in RULES]


def _untold(rule: Rule, peer: str) -> Step:
    if not rule.built:
        return _hot.Step(rule.name, "off", False, "", "", 0, 0, NOT_BUILT)
    if not rule.directions.keys() & {"T", "U"} and peer:
        whom = "unknown sources and open trunks" if "O" in rule.directions else "unknown sources"
        return _hot.Step(rule.name, "enforce", False, "", "", 0, 0, f"looks at {whom} only")
    if rule.directions.keys() == {"U"}:
        return _hot.Step(rule.name, "", False, "", "", 0, 0, "looks at calls from upstreams only")
    if rule.name in ("sweep", "auth-abuse"):
        return _hot.Step(rule.name, "", False, "", "", 0, 0, "looks at what upstreams answer")
    if rule.name == "stir-signature":
        return _hot.Step(rule.name, "", False, "", "", 0, 0, "looks at new calls of trunks whose stir isn't ignore")
    return _hot.Step(rule.name, "", False, "", "", 0, 0, "not reached")


def _peer(engine: _hot.Engine, data: bytes, sender: tuple[str, int], listener: int) -> str:
    """Whose message it is, as the engine itself counts it; "" for nobody's. Its state is ours to spend."""
    batch = _hot.Batch(1)
    batch.add(data, sender, listener)
    engine.process(batch, time.monotonic_ns(), _hot.OutBatch())
    if waiting := engine.deferred():
        return waiting[0].peer
    return next((peer for _, _, _, peer in engine.counters()["by_verdict"]), "")


def _message(data: bytes) -> dict[str, Any]:
    """What the parser read: the facts that rules look at."""
    parsed = _hot.parse(data)
    if parsed["kind"] not in ("request", "response"):
        return {"kind": parsed["kind"], "reason": parsed.get("reason", "")}
    facts = {
        "kind": parsed["kind"],
        "method": parsed["method"],
        "status": parsed["status"],
        "from": _uri(parsed["from"]),
        "to": _uri(parsed["to"]),
        "call_id": clean(parsed["call_id"]),
        "user_agent": clean(parsed["user_agent"]),
        "identities": [f"{header}: {_uri(uri)}" for header, uri in parsed["identities"]],
        "routes": [_uri(uri) for uri in parsed["routes"]],
    }
    return facts | ({"uri": _uri(parsed["uri"])} if "uri" in parsed else {})


def _uri(uri: dict[str, Any]) -> str:
    user, host = clean(uri["user"]), clean(uri["host"])
    where = f"{user}@{host}" if user and host else user or host
    return f"{uri['scheme']}:{where}" + (f":{uri['port']}" if uri["port"] else "")


def _secret(loaded: Loaded) -> tuple[bytes, list[str]]:
    """The running agent's key where it may be read: it proves in-dialog requests of that agent's calls."""
    settings = loaded.settings
    state_dir = Path(settings.agent.state_dir)
    try:
        secret = dialog_secret(settings.keys.dialog, state_dir, credentials_directory(), time.time(), make=False)
    except KeyFileError:
        return bytes(SECRET_BYTES), ["the agent's dialog key can't be read here, so no request can prove its dialog"]
    return secret.current, []


def _listener(loaded: Loaded, source: str) -> int:
    """The first listener that the source could have sent to."""
    for index, at in enumerate(loaded.settings.listen):
        if (":" in at.address.host) == (":" in source):
            return index
    return 0


def _plain(step: Step) -> dict[str, Any]:
    fields = step._asdict()
    return {key: clean(value, TEXT_LIMIT) if isinstance(value, str) else value for key, value in fields.items()}
