"""How commands reach the daemon: HTTP over its control socket, with the standard library alone.

Never starts a daemon and never guesses a socket: the caller says which.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

# A reload reads lists of a million numbers; everything else answers at once.
TIMEOUT_SECONDS = 120.0


class NoDaemon(Exception):
    """Nobody answers on the socket; the text is the line an operator reads."""


class NotRunning(NoDaemon):
    """Nobody can: there is no socket, or nobody listens on it."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("edge-agent", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(socket_path: Path, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """One request, with a JSON body if there is one; the status and the JSON object of the reply."""
    connection = _UnixConnection(socket_path)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer = response.read()
    except FileNotFoundError:
        raise NotRunning(
            f"{socket_path}: no such socket; is the agent running, and is this its admin.socket?"
        ) from None
    except ConnectionRefusedError:
        raise NotRunning(f"{socket_path}: no agent listens there any more") from None
    except PermissionError:
        raise NoDaemon(f"{socket_path}: permission denied; run this as the agent's user or group") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoDaemon(f"{socket_path}: the agent doesn't answer: {error}") from None
    finally:
        connection.close()
    try:
        reply = json.loads(answer)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise NoDaemon(f"{socket_path}: what answers there is no agent")
    return response.status, reply
