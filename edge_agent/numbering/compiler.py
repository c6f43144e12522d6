"""The child that compiles a long list of numbers: ``python -m edge_agent.numbering.compiler OUT DIGEST [dated] [calm]``.

Standard input is the list, OUT an empty file that is open already. The list is
read twice, a MiB at a time, and its table grows in OUT alone, so neither this
process nor the one that waits for it ever holds the list. DIGEST is what the list
was when the parent looked: another one, and nothing comes of it. ``calm``: calls
run meanwhile, so this waits for them.

Prints one JSON object, {"errors": [[line, what], …]} or {"why": "…"}, {} when all is well.
It opens no path and writes nowhere but to OUT.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import sys
from collections.abc import Callable

from edge_agent._hot import SET_FORMAT, NumberBuilder, NumberListError

CHUNK = 1 << 20
PAD = 64  # bytes behind a text that the engine may read
DIGEST_AT, DIGEST_FROM = 8, 64  # where a compiled file keeps its checksum, and what that is of


def digest_of(dated: bool) -> hashlib.blake2b:
    """The digest of a list, before its first byte. Another format or kind of list: another name for the same text."""
    return hashlib.blake2b(digest_size=32, person=f"numbers{SET_FORMAT}{'d' if dated else ''}".encode())


def read_all(descriptor: int, take: Callable[[bytearray, int, bool], int]) -> None:
    """Hands the file over in pieces: a buffer, how much of it counts, whether it is the last. ``take`` says what it used."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    buffer = bytearray(CHUNK + PAD)
    held = 0
    while True:
        with memoryview(buffer) as view:
            got = os.readv(descriptor, [view[held:CHUNK]])
        held += got
        used = take(buffer, held, got == 0)
        if got == 0:
            return
        buffer[: held - used] = buffer[used:held]
        held -= used


def checksum(descriptor: int) -> bytes:
    """The checksum of a compiled file's content."""
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as content, memoryview(content) as view:
        return hashlib.blake2b(view[DIGEST_FROM:], digest_size=32).digest()


def compile_list(source: int, out: int, digest: str, dated: bool) -> None:
    """Writes the table of the list in ``source`` to ``out``. NumberListError, ValueError or OSError."""
    builder = NumberBuilder(dated)
    read_all(source, builder.feed)
    try:
        at = _fill(builder, source, out, digest, dated)
    except ValueError:
        if not builder.crowded:
            raise
        # Numbers that lie too close for the denser layout; never seen, but no list may fail for it.
        os.ftruncate(out, 0)
        builder = NumberBuilder(dated)
        builder.plain = True
        read_all(source, builder.feed)
        at = _fill(builder, source, out, digest, dated)
    for piece in builder.tail():
        at = _write(out, piece, at)
    _write(out, checksum(out), DIGEST_AT)
    os.fsync(out)


def _fill(builder: NumberBuilder, source: int, out: int, digest: str, dated: bool) -> int:
    """The second reading, into ``out``. Returns how long that is now."""
    room = builder.room()
    # Not a hole: a disk that is full says so here, not by a signal when a page is written.
    os.posix_fallocate(out, 0, room)
    seen = digest_of(dated)

    def feed(buffer: bytearray, held: int, last: bool) -> int:
        used = builder.feed(buffer, held, last)
        with memoryview(buffer) as view:
            seen.update(view[:used])
        return used

    table = mmap.mmap(out, room)
    builder.begin(table)
    read_all(source, feed)
    if seen.hexdigest() != digest:
        raise ValueError("the list changed while it was read")
    builder.finish(seen.digest())
    table.close()
    return room


def _write(out: int, piece: bytes, at: int) -> int:
    """Writes all of it. Returns where it ends."""
    while piece:
        done = os.pwrite(out, piece, at)
        at, piece = at + done, piece[done:]
    return at


def main(out: str, digest: str, *words: str) -> int:
    if "calm" in words:
        os.nice(10)
    result: dict[str, object] = {}
    try:
        compile_list(sys.stdin.fileno(), int(out), digest, "dated" in words)
    except NumberListError as error:
        result = {"errors": error.errors}
    except OSError as error:
        result = {"why": error.strerror or str(error)}
    except ValueError as error:
        result = {"why": str(error)}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
