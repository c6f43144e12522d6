"""Keyed hashes and short numbers of cext/hash.h and hot.h, beside plain readings of their definitions."""

import random
import struct
import subprocess
from pathlib import Path

import pytest

CEXT = Path(__file__).resolve().parents[2] / "cext"
WORD, SUM = (1 << 64) - 1, (1 << 128) - 1
PAIRS = 400
# Reads cases from standard input: a key, then slices until a length of 65535. Behind each slice stands noise.
PROGRAM = r"""
#include "hot.h"
#include <stdio.h>

static EaSumKey key[EA_SUM_PAIRS];

int main(void)
{
    static uint8_t data[70000];
    uint16_t n;
    ea_class_init();
    ea_text_init();
    if (fread(key, 16, 400, stdin) != 400)
        return 1;
    for (;;) {
        EaSum sum;
        EaSip h;
        uint64_t low, high;
        int slices = 0;
        ea_sum_init(&sum, key);
        ea_sip_init(&h, (const uint8_t *)key);
        for (; fread(&n, 2, 1, stdin) == 1 && n != 65535; slices++) {
            memset(data, 0xa5 + slices, sizeof data);
            if (n && fread(data, n, 1, stdin) != 1)
                return 1;
            ea_sum_tagged(&sum, data, n, (uint32_t)slices);
            ea_mac_slice(&h, data, n);
        }
        if (!slices)
            break;
        low = ea_mac_end(&h, &high);
        printf("%016llx%016llx %016llx%016llx\n", (unsigned long long)sum.high, (unsigned long long)sum.low,
               (unsigned long long)high, (unsigned long long)low);
    }
    for (uint64_t value = 0; value < 100000; value++) {
        uint8_t text[32], wanted[32];
        uint32_t length = (uint32_t)(ea_put_uint(text, value) - text);
        if (length != (uint32_t)sprintf((char *)wanted, "%llu", (unsigned long long)value) || memcmp(text, wanted, length))
            return 2;
        memset(text + length, '7', 16);
        if (ea_few_digits(text, length) != (int64_t)value)
            return 3;
        text[value % length] = (uint8_t)(value % 48 + (value & 1 ? 58 : 0));
        if (ea_few_digits(text, length) != -1)
            return 4;
    }
    return 0;
}
"""


def words(data: bytes) -> list[int]:
    """Eight bytes each, the last filled up with zeros; of no bytes a zero."""
    data += bytes(-len(data) % 8) or (b"" if data else bytes(8))
    return list(struct.unpack(f"<{len(data) // 8}Q", data))


def nh(key: list[int], slices: list[bytes]) -> int:
    """The sum: NH over each slice's tag, length and words, in pairs."""
    row: list[int] = []
    for tag, data in enumerate(slices):
        row += [len(data) | tag << 32, *words(data)]
        row += [0] * (len(row) % 2)
    pairs = zip(row[::2], row[1::2], key[::2], key[1::2], strict=False)
    return sum((a + k & WORD) * (b + j & WORD) for a, b, k, j in pairs) & SUM


def sip_2_4(key: list[int], row: list[int]) -> int:
    """SipHash-2-4 of 128 bits over words, the count of which ends them in place of that of bytes."""

    def turn(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & WORD

    def rounds(n: int) -> None:
        for _ in range(n):
            v[0] = v[0] + v[1] & WORD
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = v[2] + v[3] & WORD
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = v[0] + v[3] & WORD
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = v[2] + v[1] & WORD
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    constants: tuple[int, ...] = struct.unpack(">4Q", b"somepseudorandomlygeneratedbytes")
    v = [constant ^ key[place % 2] for place, constant in enumerate(constants)]
    v[1] ^= 0xEE
    for word in [*row, len(row) << 59 & WORD]:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return (v[0] ^ v[1] ^ v[2] ^ v[3]) << 64 | low


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hash")
    (folder / "hash.c").write_text(PROGRAM)
    flags = ["-std=gnu11", "-O2", "-Wno-unused-function", f"-I{CEXT}"]
    subprocess.run(["gcc", *flags, "-o", folder / "hash", folder / "hash.c"], check=True)
    return folder / "hash"


def test_hashes_are_what_their_definitions_say(program: Path) -> None:
    rng = random.Random(1)
    raw = rng.randbytes(PAIRS * 16)
    key = list(struct.unpack(f"<{2 * PAIRS}Q", raw))
    cases = [[rng.randbytes(n)] for n in range(70)]
    cases += [[rng.randbytes(rng.randrange(90)) for _ in range(rng.randrange(1, 9))] for _ in range(300)]
    asked = raw + b"".join(
        b"".join(struct.pack("<H", len(data)) + data for data in slices) + b"\xff\xff" for slices in cases
    )
    run = subprocess.run([program], input=asked + b"\xff\xff", capture_output=True, check=False)
    assert run.returncode == 0
    for slices, line in zip(cases, run.stdout.decode().splitlines(), strict=True):
        sum_, mac = (int(text, 16) for text in line.split())
        assert sum_ == nh(key, slices)
        assert mac == sip_2_4(key, [word for data in slices for word in [len(data), *words(data)]])
