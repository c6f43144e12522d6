"""The scan's block in its three forms (cext/scan.h): by the table, with SSE2 and with AVX2 they name the same bytes.

Every byte value at every place, then random blocks, then whole texts. The engine uses one form; which one depends on
the processor.
"""

import subprocess
from pathlib import Path

CEXT = Path(__file__).resolve().parents[2] / "cext"
PROGRAM = r"""
#include "hot.h"
#include <stdio.h>
#include <stdlib.h>

#ifdef __SSE2__
/* One block, as the engine's loop over several has it. */
__attribute__((target("avx2")))
static inline uint64_t scan_block_avx2(const uint8_t *p, uint64_t *odd)
{
    const EaScanTables tables = ea_scan_tables();
    return ea_scan_block_tables(p, odd, &tables);
}
#endif

static int differ(const uint8_t *block)
{
    uint64_t odd, other, stop = ea_scan_block_table(block, &odd);
#ifdef __SSE2__
    if (ea_scan_block_sse2(block, &other) != stop || other != odd)
        return 1;
    if (ea_avx2 && (scan_block_avx2(block, &other) != stop || other != odd))
        return 1;
#endif
    return ea_scan_block(block, &other) != stop || other != odd;
}

static EaScan scan;

/* A text's odd bytes one behind the other, and the first stops from each on, beside a look at every byte. */
static int differ_walk(const uint8_t *text, size_t n)
{
    size_t i = 0, odd, stop, end, first;
    for (ea_scan_start(&scan, text, n); i < n; i = odd + 1) {
        for (odd = i; odd < n && text[odd] >= 0x20 && text[odd] < 0x7f; odd++)
            ;
        for (stop = i; stop < odd && EA_IS(text[stop], CLS_HOST) && text[stop] != '_'; stop++)
            ;
        end = ea_scan_line(&scan, i, &first);
        if ((end < n ? end : n) != odd || (end < n && (first != stop || ea_stop(scan.stop, i) != stop)))
            return 1;
    }
    return 0;
}

int main(void)
{
    static uint8_t text[3000 + 64];
    uint8_t block[64];
    ea_class_init();
    ea_scan_init();
    for (int at = 0; at < 64; at++)
        for (int c = 0; c < 256; c++) {
            memset(block, 'a', 64);
            block[at] = (uint8_t)c;
            if (differ(block))
                return printf("byte %d at %d\n", c, at), 1;
        }
    srand(1);
    for (int n = 0; n < 200000; n++) {
        for (int at = 0; at < 64; at++)
            block[at] = (uint8_t)(rand() >> 7);
        if (differ(block))
            return puts("a random block"), 1;
    }
    for (int n = 0; n < 20000; n++) {
        size_t length = (size_t)rand() % 3000;
        int rare = rand() % 300 + 1;
        for (size_t at = 0; at < length + 64; at++)
            text[at] = (uint8_t)(rand() % rare ? 'a' : rand() >> 7);
        if (differ_walk(text, length))
            return puts("a walk"), 1;
#ifdef __SSE2__
        ea_scan_more = n & 1 || !ea_avx2 ? ea_scan_more_any : ea_scan_more_avx2;
#endif
    }
    return 0;
}
"""


def test_every_form_of_the_scan_names_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "scan.c").write_text(PROGRAM)
    flags = ["-std=gnu11", "-O2", "-Wno-unused-function", f"-I{CEXT}"]
    subprocess.run(["gcc", *flags, "-o", tmp_path / "scan", tmp_path / "scan.c"], check=True)
    run = subprocess.run([tmp_path / "scan"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
