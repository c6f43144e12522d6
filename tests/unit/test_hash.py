"""Keyed hashes, short numbers and base64url of cext/hash.h and text.h, beside plain readings of their definitions."""

import platform
import random
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from edge_agent._hot import AES_FAST

CEXT = Path(__file__).resolve().parents[2] / "cext"
WORD, SUM = (1 << 64) - 1, (1 << 128) - 1
PAIRS = 400
# Reads cases from standard input: a key, then slices until a length of 65535. Behind each slice stands noise.
PROGRAM = r"""
#include "hot.h"
#include <stdio.h>

static EaSumKey key[EA_SUM_PAIRS];

/* Each way to read as many digits; -2 when they differ. */
static int64_t digits(const uint8_t *text, size_t length)
{
    int64_t value = ea_eight_digits(text, length);
    uint8_t before[48] = "9999999999999999";
    if (length <= 4 && ea_four_digits(text, length) != value)
        return -2;
    memcpy(before + 16, text, length);
    return ea_digits_before(before + 16 + length, length) == value ? value : -2;
}

int main(int argc, char **argv)
{
    static uint8_t data[70000];
    uint16_t n;
    ea_class_init();
    ea_text_init();
    ea_hash_init();
    ea_aes_fast = ea_aes_fast && argc < 2;
    if (fread(key, 16, 400, stdin) != 400)
        return 1;
    for (;;) {
        EaSum sum;
        EaMacKey schedule;
        EaMac h;
        uint64_t low, high;
        int slices = 0;
        ea_sum_init(&sum, key);
        ea_mac_key(&schedule, (const uint8_t *)key);
        ea_mac_start(&h, &schedule, 1, 2);
        for (; fread(&n, 2, 1, stdin) == 1 && n != 65535; slices++) {
            memset(data, 0xa5 + slices, sizeof data);
            if (n && fread(data, n, 1, stdin) != 1)
                return 1;
            ea_sum_tagged(&sum, data, n, (uint32_t)slices);
            ea_mac_pair(&h, n, (uint64_t)slices);
            ea_mac_text(&h, data, n);
        }
        if (!slices)
            break;
        low = ea_mac_end(&h, &high);
        if (ea_sum_mac(&sum, &schedule) != ea_mac_words(&schedule, sum.low, sum.high))
            return 5;
        printf("%016llx%016llx %016llx%016llx %016llx\n", (unsigned long long)sum.high, (unsigned long long)sum.low,
               (unsigned long long)high, (unsigned long long)low, (unsigned long long)ea_sum_mac(&sum, &schedule));
    }
    for (uint64_t value = 0; value < 100000; value++) {
        uint8_t text[32], wanted[32];
        uint32_t length = (uint32_t)(ea_put_uint(text, value) - text);
        if (length != (uint32_t)sprintf((char *)wanted, "%llu", (unsigned long long)value) || memcmp(text, wanted, length))
            return 2;
        memset(text + length, '7', 16);
        if (digits(text, length) != (int64_t)value)
            return 3;
        text[value % length] = (uint8_t)(value % 48 + (value & 1 ? 58 : 0));
        if (digits(text, length) != -1)
            return 4;
    }
    ea_scan_init();
    ea_avx2 = ea_avx2 && argc < 2;
    for (uint32_t n = 0; n <= 40; n++) {
        uint8_t raw[EA_B64_ROOM(40)] = {0}, text[2 * EA_B64_ROOM(40)], back[40];
        for (uint32_t i = 0; i < n; i++)
            raw[i] = (uint8_t)(i * i * 37 + n * 101);
        uint32_t length = (uint32_t)(ea_put_b64(text, raw, n) - text);
        if (length != (4 * n + 2) / 3 || ea_get_b64(back, 40, text, length) != (int)n || memcmp(back, raw, n))
            return 6;
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


def cmac(key: bytes, data: bytes) -> int:
    """AES-CMAC as a library makes it, its first byte the lowest."""
    made = CMAC(AES(key))
    made.update(data)
    return int.from_bytes(made.finalize(), "little")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hash")
    (folder / "hash.c").write_text(PROGRAM)
    flags = ["-std=gnu11", "-O2", "-Wno-unused-function", f"-I{CEXT}"]
    subprocess.run(["gcc", *flags, "-o", folder / "hash", folder / "hash.c"], check=True)
    return folder / "hash"


@pytest.mark.parametrize("slow", [(), ("slow",)], ids=["as the processor can", "byte by byte"])
def test_hashes_are_what_their_definitions_say(program: Path, slow: tuple[str, ...]) -> None:
    rng = random.Random(1)
    raw = rng.randbytes(PAIRS * 16)
    key = list(struct.unpack(f"<{2 * PAIRS}Q", raw))
    cases = [[rng.randbytes(n)] for n in range(70)]
    cases += [[rng.randbytes(rng.randrange(90)) for _ in range(rng.randrange(1, 9))] for _ in range(300)]
    asked = raw + b"".join(
        b"".join(struct.pack("<H", len(data)) + data for data in slices) + b"\xff\xff" for slices in cases
    )
    run = subprocess.run([program, *slow], input=asked + b"\xff\xff", capture_output=True, check=False)
    assert run.returncode == 0
    for slices, line in zip(cases, run.stdout.decode().splitlines(), strict=True):
        sum_, mac, over = (int(text, 16) for text in line.split())
        assert sum_ == nh(key, slices)
        blocks = struct.pack("<2Q", 1, 2)
        for number, data in enumerate(slices):
            blocks += struct.pack("<2Q", len(data), number) + data + bytes(-len(data) % 16)
        assert mac == cmac(raw[:16], blocks)
        assert over == cmac(raw[:16], sum_.to_bytes(16, "little")) & WORD


def test_the_engine_tells_whether_the_processor_has_aes() -> None:
    flags = [line.split() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")]
    assert AES_FAST == (platform.machine() == "x86_64" and all("aes" in each for each in flags))
