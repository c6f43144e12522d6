"""``edge-agent dnc``: who asked not to be called. By the running agent, or without one in its file. It knows no rule."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

import click

from edge_agent.asking import PathParameter, daemon_options, json_option, socket_of

if TYPE_CHECKING:
    from edge_agent.dnc.offline import Offline

    Alone = Callable[[Offline], dict[str, Any]]

AT_ONCE = 2000  # of one request to the agent, as routes.py takes
FILE_BYTES = 64 << 20

trunk_option = click.option("--trunk", default="", metavar="NAME", help="Calls of this trunk only [default: of all].")


@click.group()
def dnc() -> None:
    """Keep requests not to be called: each holds at once, for five years."""


@dnc.command("add")
@click.argument("number", nargs=-1, required=True)
@trunk_option
@click.option("--reason", default="", help="Such as how it was asked.")
@click.option("--date", "asked", default="", metavar="DATE", help="When it was asked, 2026-01-31 [default: now].")
@daemon_options
@json_option
def add(
    number: tuple[str, ...],
    trunk: str,
    reason: str,
    asked: str,
    config: Path | None,
    socket: Path | None,
    as_json: bool,
) -> None:
    """Call NUMBER no more."""
    entries = [{"number": one, "reason": reason, "asked": asked} for one in number]
    _add(entries, trunk, config, socket, as_json)


@dnc.command("import")
@click.argument("file", type=PathParameter)
@trunk_option
@daemon_options
@json_option
def import_file(file: Path, trunk: str, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Take all requests in FILE: a number a line, then perhaps the date it was asked and a reason."""
    import time

    from edge_agent.dnc.offline import Offline
    from edge_agent.dnc.requests import BadRequest, read_file

    try:
        country = Offline(config).country
    except BadRequest as error:
        _fail(str(error).splitlines())
    try:
        if file.stat().st_size > FILE_BYTES:
            raise BadRequest("is longer than any list of requests; national lists are files of [lists] do_not_call")
        # Every line is read before the first is kept: a file with a bad line changes nothing.
        lines = read_file(file.read_text("utf-8", "replace"), country, time.time())
    except OSError as error:
        _fail([f"{file}: {error.strerror}"])
    except BadRequest as error:
        _fail([f"{file}: {line}" for line in str(error).splitlines()])
    entries = [{"number": number, "asked": asked, "reason": reason} for number, asked, reason in lines]
    _add(entries, trunk, config, socket, as_json)


@dnc.command("remove")
@click.argument("number", nargs=-1, required=True)
@trunk_option
@daemon_options
@json_option
def remove(number: tuple[str, ...], trunk: str, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Forget the request of NUMBER: of all trunks, or with --trunk of that one."""
    from edge_agent.show import print_json

    removed = 0
    for at in range(0, len(number), AT_ONCE):
        some = list(number[at : at + AT_ONCE])
        body = {"numbers": some, "trunk": trunk}
        reply = _ask(config, socket, "DELETE", "", body, _removal(some, trunk))
        removed += reply["removed"]
    print_json({"ok": True, "removed": removed}) if as_json else print(f"{removed} removed")
    if not removed:
        whose = f"of trunk {trunk!r}" if trunk else "that holds for all trunks"
        _fail([f"there was no such request {whose}; edge-agent dnc list NUMBER tells what there is"])


@dnc.command("list")
@click.argument("number", required=False, default="")
@click.option("--trunk", default=None, metavar="NAME", help='Only those of this trunk; "": of all trunks.')
@daemon_options
@json_option
def list_requests(number: str, trunk: str | None, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Every request, or those of NUMBER."""
    from rich.table import Table

    from edge_agent.show import console, print_json

    query = urlencode(
        {key: value for key, value in (("number", number or None), ("trunk", trunk)) if value is not None}
    )
    rows = _ask(config, socket, "GET", f"?{query}", None, lambda file: {"requests": file.listing(number, trunk)})[
        "requests"
    ]
    if as_json:
        print_json({"ok": True, "requests": rows})
        return
    table = Table("number", "trunk", "asked", "until", "reason", title="Do-not-call requests", title_justify="left")
    for row in rows:
        table.add_row(row["number"], row["trunk"] or "(all)", row["asked"][:10], row["until"][:10], row["reason"])
    console().print(table)


def _addition(entries: list[dict[str, str]], trunk: str) -> Alone:
    return lambda file: {"new": file.add(entries, trunk)}


def _removal(numbers: list[str], trunk: str) -> Alone:
    return lambda file: {"removed": file.remove(numbers, trunk)}


def _add(entries: list[dict[str, str]], trunk: str, config: Path | None, socket: Path | None, as_json: bool) -> None:
    from edge_agent.show import print_json

    new = 0
    for at in range(0, len(entries), AT_ONCE):
        some = entries[at : at + AT_ONCE]
        body = {"requests": some, "trunk": trunk}
        new += _ask(config, socket, "POST", "", body, _addition(some, trunk))["new"]
    if as_json:
        print_json({"ok": True, "requests": len(entries), "new": new})
    else:
        print(f"{len(entries)} kept, {new} of them new")


def _ask(config: Path | None, socket: Path | None, method: str, query: str, body: Any, alone: Alone) -> dict[str, Any]:
    """The agent's answer; without an agent that of its file."""
    from edge_agent.admin.client import NoDaemon, NotRunning, call
    from edge_agent.dnc.offline import Offline
    from edge_agent.dnc.requests import BadRequest
    from edge_agent.dnc.routes import PATH
    from edge_agent.dnc.store import StoreFailed, StoreFull

    try:
        code, reply = call(socket or socket_of(config), method, PATH + query, body)
        if code != 200:
            _fail(reply.get("errors") or [f"the agent answers {code}"])
        return reply
    except NotRunning:
        pass
    except NoDaemon as error:
        _fail([str(error)])
    try:
        return alone(Offline(config))
    except (BadRequest, StoreFailed, StoreFull) as error:
        _fail(str(error).splitlines())


def _fail(lines: list[str]) -> NoReturn:
    from edge_agent.show import complain

    complain(lines)
    sys.exit(1)
