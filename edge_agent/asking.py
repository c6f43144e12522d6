"""How commands ask the running agent: their common options, one request, and what a refusal looks like. It prints no result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

DEFAULT_SOCKET = "/run/edge-agent/control.sock"
# Not readable: that is one line of the command's own, as for a file that isn't there.
PathParameter = click.Path(path_type=Path, readable=False)

config_option = click.option("-c", "--config", type=PathParameter, required=True, help="Configuration file (TOML).")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def daemon_options(command: Any) -> Any:
    """How a command finds the running agent."""
    for option in (
        click.option("--socket", type=PathParameter, help=f"Control socket [default: {DEFAULT_SOCKET}]."),
        click.option("-c", "--config", type=PathParameter, help="Take admin.socket of this configuration."),
    ):
        command = option(command)
    return command


def ask(
    config: Path | None, socket: Path | None, method: str, path: str, body: Any = None
) -> tuple[int, dict[str, Any]]:
    """Status and reply; exits with 1 when no agent answers."""
    from edge_agent.admin.client import NoDaemon, call
    from edge_agent.show import complain

    try:
        return call(socket or socket_of(config), method, path, body)
    except NoDaemon as error:
        complain([error])
        sys.exit(1)


def socket_of(config: Path | None) -> Path:
    """admin.socket as written. The rest may be wrong: the agent says so itself, about the file that it reads."""
    if config is None:
        return Path(DEFAULT_SOCKET)
    from edge_agent.policy.merge import read_files
    from edge_agent.show import complain

    document, problems = read_files(config)
    if problems:
        complain([*problems, "so the agent's socket isn't known, and it wasn't asked; its policy stays in force"])
        sys.exit(1)
    admin = document.data.get("admin")
    written = admin.get("socket") if isinstance(admin, dict) else None
    return Path(written) if isinstance(written, str) else Path(DEFAULT_SOCKET)


def change(
    config: Path | None, socket: Path | None, method: str, path: str, body: dict[str, Any], as_json: bool
) -> dict[str, Any]:
    """The reply to a change, printed with ``--json``; exits with 1 when it is refused."""
    from edge_agent.show import complain, print_json

    code, reply = ask(config, socket, method, path, body)
    if as_json:
        print_json(reply)
    else:
        complain(reply.get("errors", []))
    if code != 200:
        sys.exit(1)
    return reply
