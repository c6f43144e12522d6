"""``edge-agent explain FILE.sip``: one message, every rule in order with what it saw, its limit and its answer.

The message goes through an engine of its own, with the policy of the file and
empty tables: a rate is never used up here. Asks no running agent and changes
nothing.
"""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_agent import _hot, reasons
from edge_agent.events.record import address, clean
from edge_agent.keys import SECRET_BYTES, KeyFileError, dialog_secret
from edge_agent.policy.compile import compile_policy
from edge_agent.policy.load import Loaded, load
from edge_agent.systemd import credentials_directory

if TYPE_CHECKING:
    from edge_agent._hot import Step

DEFAULT_PORT = 5060
MAX_FILE = 65_535  # a datagram's


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
        raise BadInput(f"{text!r} is no IP address; write 192.0.2.10, 192.0.2.10:5060 or [2001:db8::1]:5060") from None


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
    engine = _hot.Engine(rates_mib=1, transactions_mib=1, leases_mib=1, secret=secret)
    engine.publish(compile_policy(loaded, 1))
    *steps, verdict = engine.explain(data, sender, _listener(loaded, sender[0]), time.monotonic_ns())
    return {
        "file": str(file),
        "source": address(sender),
        "notes": notes + note,
        "steps": [_plain(step) for step in steps],
        "verdict": _plain(verdict),
    }


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
    return {key: clean(value, 400) if isinstance(value, (str, bytes)) else value for key, value in fields.items()}


def render(result: dict[str, Any]) -> RenderableType:
    """The result for people."""
    table = Table(
        "rule", "mode", "finds", "saw", title=f"{result['file']} from {result['source']}", title_justify="left"
    )
    table.add_column("value", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("answer")
    for step in result["steps"]:
        style = "dim" if not step["applies"] else "bold red" if step["reason"] else ""
        found = step["reason"] or ("nothing" if step["applies"] else "doesn't apply")
        # Without a limit a value is no measure of anything.
        figures = (str(step["value"]), str(step["limit"])) if step["limit"] else ("", "")
        table.add_row(step["rule"], step["mode"], found, step["note"], *figures, step["answer"], style=style)
    verdict = result["verdict"]
    ending = Text(f"verdict: {verdict['answer']}", style="bold")
    if verdict["reason"] in reasons.BY_NAME:
        ending.append(f"  {verdict['reason']}: {reasons.REASONS[reasons.BY_NAME[verdict['reason']]].sentence}")
    if verdict["note"]:
        ending.append(f"  ({verdict['note']})")
    return Group(*(Text(f"note: {note}", style="yellow") for note in result["notes"]), table, ending)
