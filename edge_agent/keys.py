"""The dialog secret: 32 bytes from which every tag, branch and cookie is keyed.

``[keys] dialog`` names its file. Without it, ``dialog.key`` in the state
directory is used, and made there once (mode 0600). ``file:NAME`` with a
relative name is looked for in ``$CREDENTIALS_DIRECTORY`` first, then in the state
directory, where it is made as well; ``file:/absolute/path`` must exist.
``credential:NAME`` is a credential of the systemd unit (``LoadCredential=``) and
nothing else: without it the agent doesn't start.
A file holds 32 raw bytes, or 64 hex digits that people can copy between nodes.

Rotation: rename the file to ``NAME.old`` and start again. The old secret stays
valid for a day, counted from the time of the new file, and is forgotten then by
an agent that runs. systemd writes a credential anew at each start, so of those
``credential.seen`` in the state directory keeps a fingerprint and the time when it
was first seen.

Never writes over a file that exists, and never puts a secret into a message.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECRET_BYTES = 32
OLD_SECRET_SECONDS = 24 * 3600.0
LOOK_SECONDS = 60.0  # the wall clock may be set meanwhile
DEFAULT_NAME = "dialog.key"
CREDENTIAL = "credential:"
SEEN_NAME = "credential.seen"


class KeyFileError(Exception):
    """A key file can't be used; the text is the line an operator reads.

    ``excusable``: another user (root, or the agent's own) may well be able to.
    """

    def __init__(self, message: str, excusable: bool = False) -> None:
        super().__init__(message)
        self.excusable = excusable


@dataclass(frozen=True)
class Secret:
    """``made`` is when the key was written or first seen (wall seconds): the grace time counts from it."""

    current: bytes
    old: bytes | None
    path: Path
    made: float


def dialog_secret(setting: str, state_dir: Path, credentials: Path | None, now: float, make: bool = True) -> Secret:
    """Reads the secret, making it first where that is allowed (``make``) and needed."""
    path, ours = _locate(setting, state_dir, credentials)
    if ours and make and not _exists(path):
        _make(path)
    credential = credentials is not None and path.parent == credentials
    # systemd shows credentials as group-readable to a dynamic user (an ACL mask), so only "others" counts there.
    forbidden = 0o007 if credential else 0o077
    current, made = _read(path, forbidden, ours)
    if credential:
        made = _first_seen(current, state_dir / SEEN_NAME, now, make)
    old_path = path.with_name(path.name + ".old")
    old = None
    if now < made + OLD_SECRET_SECONDS and _exists(old_path):
        old, _ = _read(old_path, forbidden, ours)
    return Secret(current, old, path, made)


async def end_old_secret(made: float, forget: Callable[[], None], clock: Callable[[], float] = time.time) -> None:
    """Waits until the day after a key was made is over, and has the one before it forgotten."""
    while (left := made + OLD_SECRET_SECONDS - clock()) > 0:
        await asyncio.sleep(min(left, LOOK_SECONDS))
    forget()


def _locate(setting: str, state_dir: Path, credentials: Path | None) -> tuple[Path, bool]:
    """The file, and whether it is ours to make."""
    if setting.startswith(CREDENTIAL):
        name = setting.removeprefix(CREDENTIAL)
        if credentials is None:
            hint = f"the unit needs LoadCredential={name}:/path/of/the/key"
            raise KeyFileError(f"{setting}: systemd passed no credentials; {hint}", excusable=True)
        if not _exists(credentials / name):
            raise KeyFileError(f"{setting}: systemd passed no credential of that name ({credentials})")
        return credentials / name, False
    name = setting.removeprefix("file:") or DEFAULT_NAME
    path = Path(name)
    if path.is_absolute():
        return path, False
    if credentials is not None and _exists(credentials / path):
        return credentials / path, False
    return state_dir / path, True


def _exists(path: Path) -> bool:
    """True also for what can't be looked at: reading it then says why."""
    try:
        return path.exists()
    except OSError:
        return True


def _make(path: Path) -> None:
    text = secrets.token_hex(SECRET_BYTES) + "\n"
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # O_EXCL: of two that start at once one writes, and neither follows a planted link.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return
    except OSError as error:
        raise KeyFileError(f"{path}: can't make the dialog key: {error.strerror}") from None


def _first_seen(secret: bytes, path: Path, now: float, make: bool) -> float:
    """When this credential was first used here; noted where that is allowed."""
    # Of 256 random bits a hash tells nothing.
    fingerprint = hashlib.sha256(b"edge-agent credential" + secret).hexdigest()
    try:
        noted, _, when = path.read_text().partition(" ")
        if noted == fingerprint:
            return float(when)
    except (OSError, ValueError):
        pass
    if make:
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(f"{fingerprint} {now:.0f}\n")
            fresh.replace(path)
        except OSError as error:
            raise KeyFileError(f"{path}: can't note when the dialog key was first used: {error.strerror}") from None
    return now


def _read(path: Path, forbidden: int, ours: bool) -> tuple[bytes, float]:
    try:
        with open(path, "rb") as file:
            seen = os.fstat(file.fileno())
            # One byte more than any good file, so that a longer one shows.
            content = file.read(2 * SECRET_BYTES + 3)
    except OSError as error:
        excusable = isinstance(error, PermissionError) or (ours and isinstance(error, FileNotFoundError))
        raise KeyFileError(f"{path}: can't read the dialog key: {error.strerror}", excusable) from None
    if not stat.S_ISREG(seen.st_mode):
        raise KeyFileError(f"{path}: the dialog key is no regular file")
    if seen.st_mode & forbidden:
        mode = stat.S_IMODE(seen.st_mode)
        raise KeyFileError(f"{path}: the dialog key is open to others (mode {mode:04o}); run: chmod 600 {path}")
    return _decode(path, content), seen.st_mtime


def _decode(path: Path, content: bytes) -> bytes:
    if len(content) == SECRET_BYTES:
        return content
    try:
        secret = bytes.fromhex(content.strip().decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(
            f"{path}: the dialog key must be {SECRET_BYTES} bytes or {2 * SECRET_BYTES} hex digits;"
            f" make one with: openssl rand -hex {SECRET_BYTES}"
        )
    return secret
