"""Long lists of numbers, compiled once: files in the state directory, named by what they were made from.

    digest of the list -> lists/DIGEST.numbers, there and sound? mapped
                          else: a child compiles it (compiler.py), it is renamed into place, mapped

A mapped file is shared by all policies that use the list, and by the next start.
Where there is no state directory (``check``), or no room in it, the table lives in
memory of the kernel's, sealed, and is gone with the process.

What was mapped stays valid whatever becomes of the file's name. Nothing here reads
a number, and no file that isn't whole ever gets a name that is looked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import edge_agent

if TYPE_CHECKING:
    from edge_agent._hot import NumberSet

FOLDER = "lists"
SUFFIX = ".numbers"
TEMPORARY = ".new"
LONGEST_BYTES = 4 << 30
"""Of a list; about 300 million numbers."""
SECONDS = 300.0
"""What a child may take."""


class ListFailed(Exception):
    """A list couldn't be compiled; the text says why. Not the fault of any line in it."""


class CompiledLists:
    """The compiled lists of one process."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        """Where files are kept; None: nowhere."""
        self.keeping = False
        """Whether files are written; those that are there are used all the same."""
        self.calm = False
        """Calls run meanwhile: the child waits for the processor."""
        self.told: list[str] = []
        """What an operator should know about the last lists."""
        self._made: dict[str, NumberSet] = {}

    def get(self, source: int, dated: bool) -> NumberSet:
        """The set of the list in that open file. ListFailed, OSError, or NumberListError with its bad lines."""
        if os.fstat(source).st_size > LONGEST_BYTES:
            raise ListFailed(f"larger than {LONGEST_BYTES >> 30} GiB")
        digest = _digest(source, dated)
        numbers = self._made.get(digest) or self._find(digest) or self._make(source, digest, dated)
        self._made[digest] = numbers
        return numbers

    def keep(self, used: Iterable[NumberSet]) -> None:
        """Forgets all others, and the files that aren't any's."""
        wanted = {id(numbers) for numbers in used}
        self._made = {digest: numbers for digest, numbers in self._made.items() if id(numbers) in wanted}
        if self.folder is None or not self.keeping:
            return
        names = {digest + SUFFIX for digest in self._made}
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name not in names and path.suffix in (SUFFIX, TEMPORARY):
                    path.unlink(missing_ok=True)

    def _find(self, digest: str) -> NumberSet | None:
        """The set of a file that is there. One that is damaged is told of, and taken away."""
        if self.folder is None:
            return None
        path = self.folder / (digest + SUFFIX)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return _mapped(file, digest, trusted=False)
        except (OSError, ValueError) as error:
            self.told.append(f"{path}: damaged ({error}); compiled anew")
            if self.keeping:
                path.unlink(missing_ok=True)
            return None
        finally:
            os.close(file)

    def _make(self, source: int, digest: str, dated: bool) -> NumberSet:
        if self.folder is not None and self.keeping:
            try:
                return self._make_file(self.folder, source, digest, dated)
            except (OSError, ListFailed) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else error
                self.told.append(f"{self.folder}: compiled lists can't be kept ({why}); they are made at each start")
        out = os.memfd_create("numbers", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            self._run(source, out, digest, dated)
            # Who has the descriptor could else cut the file short below the mapping.
            fcntl.fcntl(out, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
            return _mapped(out, digest, trusted=True)
        finally:
            os.close(out)

    def _make_file(self, folder: Path, source: int, digest: str, dated: bool) -> NumberSet:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / f"{digest}.{os.getpid()}{TEMPORARY}"
        temporary.unlink(missing_ok=True)
        out = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._run(source, out, digest, dated)
            temporary.rename(folder / (digest + SUFFIX))
            _sync(folder)
            return _mapped(out, digest, trusted=True)
        finally:
            os.close(out)
            temporary.unlink(missing_ok=True)

    def _run(self, source: int, out: int, digest: str, dated: bool) -> None:
        """A fresh interpreter: the daemon has threads, so it never forks."""
        from edge_agent._hot import NumberListError

        root = str(Path(edge_agent.__file__).resolve().parent.parent)
        words = [word for word, said in (("dated", dated), ("calm", self.calm)) if said]
        command = [sys.executable, "-S", "-P", "-m", "edge_agent.numbering.compiler", str(out), digest, *words]
        try:
            run = subprocess.run(
                command,
                stdin=source,
                capture_output=True,
                pass_fds=(out,),
                env=os.environ | {"PYTHONPATH": root},
                timeout=SECONDS,
                check=False,
            )
            result = json.loads(run.stdout)
        except subprocess.TimeoutExpired:
            raise ListFailed(f"not done after {SECONDS:.0f} s") from None
        except ValueError:
            last = run.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise ListFailed(f"the compiler ended with {run.returncode}: {last or 'no message'}") from None
        if "errors" in result:
            raise NumberListError([(line, what) for line, what in result["errors"]])
        if "why" in result:
            raise ListFailed(result["why"])


def _digest(source: int, dated: bool) -> str:
    from edge_agent.numbering.compiler import digest_of, read_all

    seen = digest_of(dated)

    def take(buffer: bytearray, held: int, last: bool) -> int:
        with memoryview(buffer) as view:
            seen.update(view[:held])
        return held

    read_all(source, take)
    return seen.hexdigest()


def _mapped(file: int, digest: str, *, trusted: bool) -> NumberSet:
    """The set in a compiled file. ValueError if it is none, or another's, or not as it was written."""
    from edge_agent._hot import NumberSet
    from edge_agent.numbering.compiler import DIGEST_AT, DIGEST_FROM, checksum

    status = os.fstat(file)
    if not trusted and (not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022):
        raise ValueError("no regular file, or open to others")
    if status.st_size <= DIGEST_FROM:
        raise ValueError("too short")
    if not trusted and checksum(file) != os.pread(file, 32, DIGEST_AT):
        raise ValueError("wrong checksum")
    # Faulted in now, not when calls ask.
    memory = mmap.mmap(file, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    return NumberSet.mapped(memory, bytes.fromhex(digest))


def _sync(folder: Path) -> None:
    """So that the name is there after a crash."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
