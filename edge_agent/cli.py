"""The commands, each a few lines that call what does the work.

Exit codes: 0 good, 1 the operator's input is bad (or no agent answers), 2 usage,
3 internal. Errors go to stderr, a line each; ``--json`` prints one JSON value
instead of a table. Imports what a command needs when it runs, so that the
daemon carries none of it.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import click

from edge_agent import __version__
from edge_agent.asking import PathParameter, ask, change, config_option, daemon_options, json_option
from edge_agent.dnc.commands import dnc


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """A screening SIP proxy: refuses forged caller IDs, floods and unauthorised emergency calls."""


commands.add_command(dnc)


@commands.command()
@config_option
def run(config: Path) -> None:
    """Run the agent in the foreground."""
    try:
        from edge_agent.daemon import run as run_daemon

        code = run_daemon(config)
    except KeyboardInterrupt:
        # Later ones are the daemon's own: it drains and ends as it should.
        from edge_agent.show import complain

        complain(["stopped before it had started"])
        code = 1
    sys.exit(code)


@commands.command()
@config_option
@json_option
def check(config: Path, as_json: bool) -> None:
    """Check a configuration: every error, notices, budgets, list sizes."""
    from edge_agent import check as checking
    from edge_agent.show import complain, console, print_json

    result = checking.check(config)
    if as_json:
        print_json(result)
    else:
        complain(_lines(result["errors"]))
        complain(f"notice: {line}" for line in _lines(result["notices"]))
        if result["ok"]:
            console().print(checking.render(result))
    sys.exit(0 if result["ok"] else 1)


def _lines(problems: list[dict[str, str]]) -> list[str]:
    from edge_agent.errors import Problem

    return [str(Problem(**problem)) for problem in problems]


@commands.command()
@daemon_options
@json_option
def reload(config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Make the running agent read its configuration again; waits for the result."""
    from edge_agent.show import complain, print_json

    code, reply = ask(config, socket, "POST", "/api/reload")
    if as_json:
        print_json(reply)
    else:
        complain(f"notice: {line}" for line in reply["notices"])
        complain(reply["errors"])
        if reply["ok"]:
            print(f"policy {reply['generation']} is in force")
        else:
            complain([f"refused; policy {reply['generation']} stays in force"])
    sys.exit(0 if code == 200 else 1)


@commands.command()
@daemon_options
@json_option
def status(config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Show what the running agent is, has and did."""
    from edge_agent.admin import show
    from edge_agent.show import console, print_json

    _, report = ask(config, socket, "GET", "/api/status")
    if as_json:
        print_json(report)
    else:
        console().print(show.render(report))


@commands.group()
def bans() -> None:
    """List, add and lift bans of the running agent."""


@bans.command("list")
@daemon_options
@json_option
def list_bans(config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Every ban in force: how long it still is, who made it and why."""
    from edge_agent.bans import show
    from edge_agent.show import console, print_json

    _, reply = ask(config, socket, "GET", "/api/bans")
    if as_json:
        print_json(reply)
    else:
        console().print(show.render(reply))


@bans.command("add")
@click.argument("network")
@click.option("--for", "duration", default="10m", show_default=True, metavar="TIME", help='Such as "90s" or "24h".')
@click.option("--reason", default="", help="Your own words, for who lists it.")
@click.option("--force", is_flag=True, help="Also a trunk or an upstream; its emergency calls still pass.")
@daemon_options
@json_option
def add_ban(
    network: str, duration: str, reason: str, force: bool, config: Path | None, socket: Path | None, as_json: bool
) -> None:
    """Ban NETWORK: one address, an IPv4 /24, or an IPv6 /64, /56 or /48."""
    from edge_agent.bans.show import BadDuration, seconds_of

    try:
        seconds = seconds_of(duration)
    except BadDuration as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    body = {"network": network, "seconds": seconds, "note": reason, "force": force}
    reply = change(config, socket, "POST", "/api/bans", body, as_json)
    if not as_json:
        print(f"{reply['ban']['network']} is banned until {reply['ban']['until']}")


@bans.command("lift")
@click.argument("network", required=False)
@click.option("--all", "everything", is_flag=True, help="Lift every ban.")
@daemon_options
@json_option
def lift_bans(network: str | None, everything: bool, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """End the ban of NETWORK, and forget that there was one."""
    if (network is not None) == everything:
        raise click.UsageError("name a network, or --all")
    reply = change(
        config, socket, "DELETE", "/api/bans", {"all": True} if everything else {"network": network}, as_json
    )
    if not as_json:
        print(f"{reply['lifted']} lifted" if everything else f"{network} is lifted")


@commands.command("nft-helper")
@click.option("--socket", type=PathParameter, help="Where the agent connects [default: that of bans.helper].")
@click.option("--user", default="edge-agent", show_default=True, help="The agent's user; root may connect as well.")
@click.option("--table", default="edge_agent", show_default=True, help="Name of the nftables table (family inet).")
@click.option("--nft", default="nft", show_default=True, help="The nft command.")
@click.option("--read-back", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True, help="Seconds between.")
def nft_helper(socket: Path | None, user: str, table: str, nft: str, read_back: float) -> None:
    """Hold the agent's bans in nftables; needs CAP_NET_ADMIN, and runs beside the agent."""
    from edge_agent.nft import helper, protocol

    if not protocol.TABLE_NAME.fullmatch(table):
        raise click.BadParameter("letters, digits and _, at most 32", param_hint="--table")
    sys.exit(helper.run(socket or Path(protocol.SOCKET), user, table, nft, read_back))


@commands.command()
@click.argument("name", required=False)
@click.option(
    "--clauses", is_flag=True, help="Instead, each clause of the acceptable-use policy with the rules that hold it."
)
@click.option(
    "--report", is_flag=True, help="Instead, what rules in monitor mode would have refused, asked of the running agent."
)
@daemon_options
@json_option
def rules(
    name: str | None, clauses: bool, report: bool, config: Path | None, socket: Path | None, as_json: bool
) -> None:
    """List the rules in screening order, or tell all about one."""
    from edge_agent import reference
    from edge_agent.show import complain, console, print_json

    if report:
        if name is not None or clauses:
            raise click.UsageError("--report tells of all rules that found something, and of nothing else")
        from edge_agent.findings_view import render

        _, reply = ask(config, socket, "GET", "/api/findings")
        print_json(reply) if as_json else console().print(render(reply))
        return
    if clauses:
        if name is not None:
            raise click.UsageError("--clauses tells of all rules")
        from edge_agent.clauses import describe

        found = describe()
        print_json(found) if as_json else console().print(reference.render_clauses(found))
        return
    described = reference.describe()
    if name is not None:
        described = [rule for rule in described if rule["name"] == name]
        if not described:
            complain([f"there is no rule {name!r}; edge-agent rules lists them"])
            sys.exit(1)
    if as_json:
        print_json(described)
    else:
        console().print(reference.render_one(described[0]) if name else reference.render_all(described))


@commands.command()
@click.argument("file", type=PathParameter)
@click.option("--source", required=True, metavar="IP[:PORT]", help="Address that the message comes from.")
@config_option
@click.option("--crlf", is_flag=True, help="Convert bare LF line ends first.")
@json_option
def explain(file: Path, source: str, config: Path, crlf: bool, as_json: bool) -> None:
    """Tell what every rule makes of the SIP message in FILE."""
    from edge_agent import explain as explaining
    from edge_agent import explain_view
    from edge_agent.errors import ConfigError
    from edge_agent.show import complain, console, print_json

    try:
        result = explaining.explain(file, source, config, crlf)
    except ConfigError as error:
        complain(error.problems)
        sys.exit(1)
    except explaining.BadInput as error:
        complain([error])
        sys.exit(1)
    if as_json:
        print_json(result)
    else:
        console().print(explain_view.render(result))


@commands.group()
def stir() -> None:
    """Sign and verify callers (STIR/SHAKEN) one at a time; the running agent's certificates."""


country_option = click.option(
    "--country", default="US", show_default=True, help="Whose way of writing numbers to read."
)
at_option = click.option("--at", type=float, metavar="SECONDS", help="POSIX time to take for now.")


@stir.command("sign")
@click.option("--key", type=PathParameter, required=True, help="Private key, PEM, curve P-256.")
@click.option("--x5u", required=True, help="URL that serves its certificate.")
@click.option("--orig", required=True, help="The caller's number.")
@click.option("--dest", required=True, help="The called number.")
@click.option("--attest", type=click.Choice(["A", "B", "C"]), required=True, help="What you know of the caller.")
@country_option
@at_option
def stir_sign(key: Path, x5u: str, orig: str, dest: str, attest: str, country: str, at: float | None) -> None:
    """Print the Identity header of a call."""
    from edge_agent.show import complain
    from edge_agent.stir import command

    try:
        print(f"Identity: {command.sign_header(key, x5u, orig, dest, attest, country, at)}")
    except command.BadInput as error:
        complain([error])
        sys.exit(1)


@stir.command("verify")
@click.argument("file", type=PathParameter)
@click.option("--roots", type=PathParameter, required=True, help="Folder or file of trusted roots (PEM).")
@click.option(
    "--certificate", "known", type=(str, PathParameter), multiple=True, metavar="URL FILE", help="What URL serves."
)
@click.option("--fetch", is_flag=True, help="Fetch certificates that aren't given.")
@click.option(
    "--freshness",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Seconds a signature is good for.",
)
@country_option
@at_option
@json_option
def stir_verify(
    file: Path,
    roots: Path,
    known: tuple[tuple[str, Path], ...],
    fetch: bool,
    freshness: float,
    country: str,
    at: float | None,
    as_json: bool,
) -> None:
    """Tell what the Identity headers of the SIP message in FILE come to. Exit 1 unless the caller is verified."""
    from edge_agent.show import complain, console, print_json
    from edge_agent.stir import command, show

    try:
        result = command.verify_message(file, roots, country, known=known, fetch=fetch, at=at, freshness=freshness)
    except command.BadInput as error:
        complain([error])
        sys.exit(1)
    if as_json:
        print_json(result)
    else:
        console().print(show.render(result))
    sys.exit(0 if result["reason"] == "pass" else 1)


@stir.command("certificates")
@daemon_options
@json_option
def stir_certificates(config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Every certificate that the running agent knows, and what it couldn't get."""
    from edge_agent.show import console, print_json
    from edge_agent.stir import show

    _, reply = ask(config, socket, "GET", "/api/stir/certificates")
    if as_json:
        print_json(reply)
    else:
        console().print(show.render_certificates(reply["certificates"]))


@stir.command("preload")
@click.argument("url")
@click.argument("file", type=PathParameter)
@daemon_options
@json_option
def stir_preload(url: str, file: Path, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Give the running agent the certificate of URL, from FILE. It keeps it over restarts, until it is cleared."""
    from edge_agent.show import complain

    try:
        pem = file.read_bytes().decode("latin-1")
    except OSError as error:
        complain([f"{file}: {error.strerror}"])
        sys.exit(1)
    reply = change(config, socket, "POST", "/api/stir/certificates", {"url": url, "pem": pem}, as_json)
    if not as_json:
        print(f"{reply['certificate']['subject']} serves for {url}")


@stir.command("clear")
@click.argument("url", required=False)
@daemon_options
@json_option
def stir_clear(url: str | None, config: Path | None, socket: Path | None, as_json: bool) -> None:
    """Have the running agent forget the certificate of URL, or all but those of [stir] preload."""
    body: dict[str, Any] = {"all": True} if url is None else {"url": url}
    reply = change(config, socket, "DELETE", "/api/stir/certificates", body, as_json)
    if not as_json:
        print(f"{reply['cleared']} forgotten")


@commands.command()
@click.option("--seconds", type=click.FloatRange(2, 600), default=10.0, show_default=True, help="How long to send.")
@json_option
def demo(seconds: float, as_json: bool) -> None:
    """Run the agent between a simulated cloud and simulated customers, good and bad, on loopback."""
    from edge_agent.demo import run_demo

    sys.exit(run_demo(seconds, as_json))


@commands.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        from edge_agent.show import print_json

        print_json({"version": __version__, "python": platform.python_version(), "machine": platform.machine()})
    else:
        print(f"edge-agent {__version__} (Python {platform.python_version()}, {platform.machine()})")
