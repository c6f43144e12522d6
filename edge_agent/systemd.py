"""What systemd is told and what it tells: readiness, reload, stop, status, watchdog, log stream.

Speaks sd_notify(3) over the datagram socket in ``$NOTIFY_SOCKET``; without that
variable every call does nothing. Never raises for a notice that can't be
delivered: a lost notice is systemd's to notice, and no reason to stop calls.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path


class Notifier:
    """The notify socket. Holds no file descriptor between notices."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract address.
        self._address = "\0" + path[1:] if path.startswith("@") else path

    def ready(self, status: str) -> None:
        """Listeners and policy stand; also ends a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun. systemd wants the time, to tell this notice from an older one."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Draining")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                # A stuck systemd must not hold up the control plane.
                sock.setblocking(False)
                sock.sendto(message.encode(), self._address)
        except OSError:
            pass


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """How long systemd waits for a sign of life; None when it does not wait for ours."""
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
        pid = int(environ.get("WATCHDOG_PID", str(os.getpid())))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and pid == os.getpid() else None


def credentials_directory(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where ``LoadCredential=`` puts secrets, if the unit uses it."""
    path = environ.get("CREDENTIALS_DIRECTORY", "")
    return Path(path) if path else None


def stream_is_journal(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this descriptor leads to the journal, which then reads ``<N>`` as a priority."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        seen = os.fstat(descriptor)
        return (seen.st_dev, seen.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False
