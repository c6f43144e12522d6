"""Writes the generated parts of the engine: header_names.pxi and reasons.pxi.

``python cext/gen.py`` writes them, ``--check`` exits 1 when they are stale.
It reads ``edge_agent/reasons.py`` and the header table below and nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
MASK = (1 << 64) - 1
BITS = 8

# Name, compact form, "1" where the grammar allows one value and one row only
# (RFC 3261 §7.3.1 and the RFCs of the extensions).
HEADERS: tuple[tuple[str, str, str], ...] = (
    ("Via", "v", ""),
    ("From", "f", "1"),
    ("To", "t", "1"),
    ("Call-ID", "i", "1"),
    ("CSeq", "", "1"),
    ("Max-Forwards", "", "1"),
    ("Content-Length", "l", "1"),
    ("Content-Type", "c", "1"),
    ("Contact", "m", ""),
    ("Route", "", ""),
    ("Record-Route", "", ""),
    ("Proxy-Require", "", ""),
    ("User-Agent", "", "1"),
    ("Server", "", "1"),
    ("P-Asserted-Identity", "", ""),
    ("P-Preferred-Identity", "", ""),
    ("Remote-Party-ID", "", ""),
    ("Diversion", "", ""),
    ("History-Info", "", ""),
    ("Privacy", "", ""),
    ("Identity", "y", ""),
    ("Refer-To", "r", "1"),
    ("Referred-By", "b", "1"),
    ("Proxy-Authorization", "", ""),
    ("Authorization", "", ""),
    ("Date", "", "1"),
    ("Subject", "s", "1"),
    ("Expires", "", "1"),
    ("Session-Expires", "x", "1"),
    ("Min-SE", "", "1"),
    ("Priority", "", "1"),
    ("Organization", "", "1"),
    ("MIME-Version", "", "1"),
    ("Timestamp", "", "1"),
    ("Event", "o", "1"),
    ("Content-Disposition", "", "1"),
    ("Min-Expires", "", "1"),
    ("Reply-To", "", "1"),
    ("RSeq", "", "1"),
    ("RAck", "", "1"),
    ("Target-Dialog", "", "1"),
    ("Replaces", "", "1"),
    ("Join", "", "1"),
    ("Content-Encoding", "e", ""),
    ("Supported", "k", ""),
    ("Allow-Events", "u", ""),
    ("Accept-Contact", "a", ""),
    ("Reject-Contact", "j", ""),
    ("Request-Disposition", "d", ""),
    ("Require", "", ""),
    ("Allow", "", ""),
    ("Reason", "", ""),
    ("P-Charge-Info", "", "1"),
    ("Resource-Priority", "", ""),
    ("Retry-After", "", "1"),
)
# Behind them: one id for every name that begins so. The parser looks for it among the names that it doesn't know.
PREFIX = "X-Edge-"


def fold8(name: str) -> int:
    raw = name.encode()[:8]
    word = int.from_bytes(raw.ljust(8, b"\0"), "little") | 0x2020202020202020
    return word & MASK if len(raw) == 8 else word & ((1 << (8 * len(raw))) - 1)


def slot(name: str, multiplier: int) -> int:
    return (((fold8(name) ^ (len(name) << 56)) * multiplier) & MASK) >> (64 - BITS)


def find_multiplier(names: list[str]) -> int:
    """An odd multiplier that gives every name a slot of its own."""
    source = random.Random(3261)
    while True:
        multiplier = source.getrandbits(64) | 1
        if len({slot(name, multiplier) for name in names}) == len(names):
            return multiplier


def usual_key(name: str) -> int:
    """The three bytes before the colon, those of the line end before a shorter name, the colon; and the length."""
    return (int.from_bytes(f"\r\n{name}:".encode()[-4:], "little") | 0x20202020) + 8 * len(name)


def usual_names(forms: list[tuple[str, int]]) -> tuple[int, dict[int, tuple[str, int]]]:
    """A multiplier that gives every name of up to 15 bytes a slot of its own; of names with one key, the first."""
    keys: dict[int, tuple[str, int]] = {}
    for name, number in forms:
        if len(name) <= 15:
            keys.setdefault(usual_key(name), (name, number))
    source = random.Random(3261)
    while True:
        multiplier = source.getrandbits(32) | 1
        table = {(key * multiplier & 0xFFFFFFFF) >> (32 - BITS): form for key, form in keys.items()}
        if len(table) == len(keys):
            return multiplier, table


def ident(name: str) -> str:
    return name.upper().replace("-", "_")


def header_names() -> str:
    forms: list[tuple[str, int]] = []
    for number, (name, compact, _) in enumerate(HEADERS, 1):
        forms.append((name.lower(), number))
        if compact:
            forms.append((compact, number))
    assert all(len(name) <= 24 for name, _ in forms), "three words hold a name"
    multiplier = find_multiplier([name for name, _ in forms])
    table = [(0, "")] * (1 << BITS)
    for name, number in forms:
        table[slot(name, multiplier)] = (number, name)
    single = sum(1 << n for n, (_, _, one) in enumerate(HEADERS, 1) if one)
    lines = ["# Written by gen.py: the header names that the engine knows, as perfect hashes.", ""]
    lines += ["cdef enum:", "    H_OTHER = 0"]
    lines += [f"    H_{ident(name)} = {n}" for n, (name, _, _) in enumerate(HEADERS, 1)]
    lines += [f"    H_{ident(PREFIX.rstrip('-'))} = {len(HEADERS) + 1}", f"    H_COUNT = {len(HEADERS) + 2}", ""]
    assert len(HEADERS) + 2 <= 64, "a bit of SipMsg.present each"
    lines += ["cdef extern from *:", '    """', f"    #define HEADER_HASH_MULTIPLIER {multiplier:#x}ull"]
    lines += [f"    #define HEADER_HASH_SHIFT {64 - BITS}", f"    #define HEADER_SINGLE {single:#x}ull"]
    lines += ["    typedef struct { uint64_t fold, fold_middle, fold_end; uint8_t len, id; } EaHeaderName;"]
    lines += [f"    static const EaHeaderName ea_header_names[{1 << BITS}] = {{"]
    for at, (number, name) in enumerate(table):
        if number:
            lines.append(
                f"        [{at}] = {{{fold8(name):#x}ull, {fold8(name[8:16]):#x}ull, {fold8(name[-8:]):#x}ull,"
                f" {len(name)}, {number}}}, /* {name} */"
            )
    multiplier, usual = usual_names(forms)
    lines += ["    };", f"    #define USUAL_MULTIPLIER {multiplier:#x}u", f"    #define USUAL_SHIFT {32 - BITS}"]
    fields = "uint8_t low[20]; uint32_t others; uint8_t id;"
    lines += [f"    typedef struct __attribute__((aligned(32))) {{ {fields} }} EaUsualName;"]
    lines += [f"    static const EaUsualName ea_usual_names[{1 << BITS}] = {{"]
    for at, (name, number) in sorted(usual.items()):
        lines.append(f'        [{at}] = {{"{name}:", {0xFFFE << len(name) & 0xFFFF:#x}, {number}}},')
    lines += ["    };", f"    static const char *const ea_header_long[{len(HEADERS) + 2}] = {{", '        "",']
    lines += [f'        "{name.lower()}",' for name in (*(name for name, _, _ in HEADERS), PREFIX)]
    lines += ["    };", '    """']
    lines += ["    uint64_t HEADER_HASH_MULTIPLIER, HEADER_SINGLE", "    int HEADER_HASH_SHIFT, USUAL_SHIFT"]
    lines += ["    uint32_t USUAL_MULTIPLIER"]
    lines += [
        "    ctypedef struct EaHeaderName:",
        "        uint64_t fold, fold_middle, fold_end",
        "        uint8_t len, id",
    ]
    lines += ["    ctypedef struct EaUsualName:"]
    lines += ["        uint8_t low[20]", "        uint32_t others", "        uint8_t id"]
    lines += ["    const EaHeaderName *ea_header_names", "    const EaUsualName *ea_usual_names"]
    lines += ["    const char *const *ea_header_long"]
    return "\n".join(lines) + "\n"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def reasons() -> str:
    table = load(HERE.parent / "edge_agent" / "reasons.py").REASONS
    lines = [
        "# Written by gen.py from edge_agent/reasons.py: reason ids, and what the wire shows of them.",
        "",
        "cdef enum:",
    ]
    lines += [f"    RSN_{ident(r.name)} = {n}" for n, r in enumerate(table)]
    lines += [f"    RSN_COUNT = {len(table)}", "", "cdef extern from *:", '    """']
    lines += ["    typedef struct { const char *name, *phrase; uint16_t status, phrase_len; } EaReason;"]
    lines += [f"    static const EaReason ea_reasons[{len(table)}] = {{"]
    lines += [f'        {{"{r.name}", "{r.phrase}", {r.status}, {len(r.phrase)}}},' for r in table]
    lines += ["    };", '    """']
    lines += ["    ctypedef struct EaReason:", "        const char *name", "        const char *phrase"]
    lines += ["        uint16_t status, phrase_len", "    const EaReason *ea_reasons"]
    return "\n".join(lines) + "\n"


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--check", action="store_true", help="exit 1 when a generated file is stale")
    check = ask.parse_args().check
    stale = []
    for name, text in (("header_names.pxi", header_names()), ("reasons.pxi", reasons())):
        path = HERE / name
        if check:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        print("stale, run python cext/gen.py:", ", ".join(stale))
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
