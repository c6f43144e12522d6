"""The scan's block in its three forms (cext/hot.h): by the table, with SSE2 and with AVX2 they name the same bytes.

Every byte value at every place, then random blocks. The engine uses one form; which one depends on the processor.
"""

import subprocess
from pathlib import Path

CEXT = Path(__file__).resolve().parents[2] / "cext"
PROGRAM = r"""
#include "hot.h"
#include <stdio.h>
#include <stdlib.h>

static int differ(const uint8_t *block)
{
    uint64_t odd, other, stop = ea_scan_block_table(block, &odd);
#ifdef __SSE2__
    if (ea_scan_block_sse2(block, &other) != stop || other != odd)
        return 1;
    if (ea_avx2 && (ea_scan_block_avx2(block, &other) != stop || other != odd))
        return 1;
#endif
    return ea_scan_block(block, &other) != stop || other != odd;
}

int main(void)
{
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
    return 0;
}
"""


def test_every_form_of_the_scan_names_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "scan.c").write_text(PROGRAM)
    flags = ["-std=gnu11", "-O2", "-Wno-unused-function", f"-I{CEXT}"]
    subprocess.run(["gcc", *flags, "-o", tmp_path / "scan", tmp_path / "scan.c"], check=True)
    run = subprocess.run([tmp_path / "scan"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
