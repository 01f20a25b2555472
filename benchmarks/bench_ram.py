"""How fast the RAM section is skipped, and in how much memory.

Writes synthetic `ram` sections to a temporary file, scans each over mmap with MADV_DONTNEED behind the
scan, and prints one JSON object per section shape. MiB/s are of stream bytes; `guest_mib` is the
guest memory that they stand for. The file is in the page cache: what is measured is the scanner and
the page faults, not the disk. `touch_seconds` is what the page faults alone cost, one byte read
from each page of the mapping.
"""

from __future__ import annotations

import json
import mmap
import random
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from vmstate.stream.ram import RamScanner
from vmstate.stream.ram_records import RamEnd, RamPages

PAGE = 4096
MIB = 1 << 20
BEHIND = 4 * MIB
NAME = b"pc.ram"
MEM_SIZE, PAGE_RECORD, ZERO_RECORD, END, CONTINUE = 0x04, 0x08, 0x02, 0x10, 0x20
SHAPES = ("mixed", "page", "zero")


def runs(shape: str, rng: random.Random, size: int) -> Iterator[tuple[int, int]]:
    """(flag, number of records) until the records come to `size` bytes."""
    while size > 0:
        if shape != "zero":
            count = rng.randint(1, 400) if shape == "mixed" else 4096
            size -= count * (8 + PAGE)
            yield PAGE_RECORD, count
        if shape != "page":
            count = rng.randint(1, 2000) if shape == "mixed" else 65536
            size -= count * 9
            yield ZERO_RECORD, count


def write_section(file: IO[bytes], shape: str, size: int) -> None:
    rng = random.Random(20)
    plan = list(runs(shape, rng, size))
    total = sum(count for _, count in plan) * PAGE
    body = {PAGE_RECORD: rng.randbytes(PAGE), ZERO_RECORD: b"\0"}
    file.write(struct.pack(">QB", total | MEM_SIZE, len(NAME)) + NAME + struct.pack(">Q", total))
    address, named = 0, struct.pack("B", len(NAME)) + NAME
    for flag, count in plan:
        for _ in range(count):
            file.write(struct.pack(">Q", address | flag | (0 if named else CONTINUE)) + named)
            file.write(body[flag])
            address, named = address + PAGE, b""
    file.write(struct.pack(">Q", END))
    file.flush()


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def scan(mapping: mmap.mmap) -> dict[str, float]:
    scanner = RamScanner(PAGE)
    before = peak = resident()
    pages = count = pos = dropped = 0
    with memoryview(mapping) as data:
        start = time.perf_counter()
        while True:
            found_event = scanner.next_event(data, pos, len(data), 0)
            if found_event is None:
                raise scanner.at_end(len(data))
            event, pos = found_event
            if isinstance(event, RamPages):
                pages += event.count
                count += 1
            if pos - dropped >= BEHIND:
                peak = max(peak, resident())
                mapping.madvise(mmap.MADV_DONTNEED, dropped, BEHIND)
                dropped += BEHIND
            if isinstance(event, RamEnd):
                break
        seconds = time.perf_counter() - start
        del event, found_event
    return {
        "runs": count,
        "guest_mib": pages * PAGE / MIB,
        "seconds": seconds,
        "rss_growth_mib": (max(peak, resident()) - before) / MIB,
    }


def touch(file: IO[bytes]) -> float:
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
        start = time.perf_counter()
        mapping[::PAGE]
        return time.perf_counter() - start


def measure(shape: str, size: int) -> dict[str, str | float]:
    with tempfile.TemporaryFile() as file:
        write_section(file, shape, size)
        touch_seconds = touch(file)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
            result = scan(mapping)
            stream_mib = len(mapping) / MIB
    figures = {
        "stream_mib": stream_mib,
        **result,
        "mib_per_second": stream_mib / result["seconds"],
        "touch_seconds": touch_seconds,
    }
    return {
        "benchmark": "ram",
        "shape": shape,
        **{name: round(value, 4) for name, value in figures.items()},
    }


def main() -> None:
    for shape in SHAPES:
        size = 256 * MIB if shape != "zero" else 32 * MIB
        print(json.dumps(measure(shape, size)), flush=True)


if __name__ == "__main__":
    main()
