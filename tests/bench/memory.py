# SPDX-License-Identifier: Apache-2.0
"""Memory that costs the same whenever it is used.

A virtual machine may tell its host which pages are free, and the host takes them
away ("free page reporting", linux/mm/page_reporting.c). To use one again then takes
up to 1 ms per MiB here, as long as inflating it, and whoever needs fresh pages
pays, at random.
"""

import contextlib
import mmap
import pathlib

ORDER = pathlib.Path("/sys/module/page_reporting/parameters/page_reporting_order")
NEVER = "11"  # above the largest order that there is
CHUNK = 2 << 20
LEFT_ALONE = 1 << 30


@contextlib.contextmanager
def kept():
    """While this lasts, the machine keeps its memory; first it gets all of it."""
    if not ORDER.exists():
        yield
        return
    before = ORDER.read_text()
    ORDER.write_text(NEVER)
    try:
        touch(available() - LEFT_ALONE)
        yield
    finally:
        ORDER.write_text(before)


def available():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def touch(size):
    if size < CHUNK:
        return
    chunk = b"\1" * CHUNK
    with mmap.mmap(-1, size) as memory:
        for at in range(0, size - CHUNK + 1, CHUNK):
            memory[at:at + CHUNK] = chunk
