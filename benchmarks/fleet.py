"""How fast many streams are scanned, and that every engine gives the same rows.

    python benchmarks/fleet.py make FOLDER --count 10000 --seed 1
    python benchmarks/fleet.py rates FOLDER --peer PATH/analyze-migration.py
    python benchmarks/fleet.py grow FOLDER
    python benchmarks/fleet.py same FOLDER --count 2000
    python benchmarks/fleet.py cluster FOLDER --kill

make     streams as of a fleet: the recorded ones, of every release and shape, with values drawn at random in each; one
         of a hundred is damaged (cut off, or with bytes that are others)
rates    the same streams by one process in a loop, by a pool of two, and by QEMU's script, a process for each file, in
         turn; streams that the script does not read are left out of its part. Ratios, and the peak of memory
same     the rows of one process that has seen all streams before, and those of each stream with nothing seen before
grow     the time for 100, 1,000 and 10,000 streams
cluster  one process, a pool of two, and a Dask scheduler with two workers, each a process of its own; with --kill a
         worker of each of these two is killed by SIGKILL when a fifth is done. The rows must be those of one process
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import vmstate  # noqa: E402
from vmstate.compare.target import open_target  # noqa: E402
from vmstate.errors import VMStateError  # noqa: E402
from vmstate.fleet.engine import Engine, cluster_of, in_order, pool_of  # noqa: E402
from vmstate.fleet.scan import Known, Scan, kind_of, outcome_of, row_of  # noqa: E402

LARGEST = 300_000
"""Bytes of a recorded stream that is taken: most streams of a fleet scan are without memory."""

VALUES = 24
"""Places of a recorded stream whose values are drawn anew in each copy."""

DAMAGED = 0.01


class Shape:
    """A recorded stream, and the places of numbers in it that can be any."""

    def __init__(self, name: str, data: bytes, places: list[tuple[int, int]]) -> None:
        self.name = name
        self.data = data
        self.places = places

    def copy(self, random: Random) -> bytes:
        """The stream with other values."""
        data = bytearray(self.data)
        for offset, size in self.places:
            if random.random() < 0.5:
                data[offset : offset + size] = random.randbytes(size)
        return bytes(data)


def shapes(random: Random) -> Iterator[Shape]:
    """The recorded streams, with places whose values make no difference to how the rest is read."""
    for path in sorted((ROOT / "fixtures").rglob("qemu-*.mig.xz")):
        data = lzma.decompress(path.read_bytes())
        if len(data) > LARGEST:
            continue
        places = free_places(data, random)
        if places:
            yield Shape(path.name.removesuffix(".mig.xz"), data, places)


def free_places(data: bytes, random: Random) -> list[tuple[int, int]]:
    """Places of numbers whose values can be any: with random ones the stream still reads, and is written the same."""
    with vmstate.load(data) as stream:
        places = [
            (entry.offset, entry.size)
            for section in stream.sections
            if section.kind == "full" and section.vmsd is not None
            for entry in section.trace().values()
            if entry.field is not None and entry.size in (4, 8)
        ]
    random.shuffle(places)
    kept: list[tuple[int, int]] = []
    batch = places[: 2 * VALUES]
    while batch and len(kept) < VALUES:
        half, batch = batch[: len(batch) // 2 or 1], batch[len(batch) // 2 or 1 :]
        tried = Shape("", data, [*kept, *half])
        if all(is_sound(tried.copy(Random(number))) for number in range(3)):
            kept += half
    return kept


def is_sound(data: bytes) -> bool:
    """Whether a stream reads, and is written the same."""
    try:
        with vmstate.load(data) as stream:
            return stream.to_bytes() == data
    except VMStateError:
        return False


def make(folder: Path, count: int, seed: str) -> None:
    """Streams in folders of a thousand, in an order that says nothing."""
    random = Random(seed)
    known = list(shapes(random))
    print(f"{len(known)} shapes, {sum(len(shape.places) for shape in known)} places")
    for number in range(count):
        shape = random.choice(known)
        data = shape.copy(random)
        if random.random() < DAMAGED:
            if random.random() < 0.5:
                data = data[: random.randrange(len(data))]
            else:
                at = random.randrange(len(data) // 2)
                data = data[:at] + random.randbytes(16) + data[at + 16 :]
        place = folder / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}-{shape.name}.mig").write_bytes(data)


def streams(folder: Path) -> list[str]:
    """The streams of a fleet, in order."""
    files = sorted(map(str, folder.rglob("*.mig")))
    if not files:
        sys.exit(f"{folder}: there are no streams; `python benchmarks/fleet.py make {folder}` makes some")
    return files


class Measured:
    """A scan whose results say besides what its process has taken so far: its number, seconds of the processor, KiB."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan

    def __call__(self, file: str) -> tuple[dict[str, Any], int, float, int]:
        row = self.scan(file)
        return row, os.getpid(), time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Taken:
    """What a run took: seconds on the wall, and the seconds of the processor and the peak in MiB of each worker."""

    def __init__(self, files: Sequence[str], scan: Scan, engine: Engine, killed_after: int | None = None) -> None:
        start = time.monotonic()
        self.rows: list[dict[str, Any]] = []
        self.seconds: dict[int, float] = {}
        peaks: dict[int, int] = {}
        for result in in_order(Measured(scan), files, engine, kind_of=kind_of):
            row, process, seconds, peak = result  # type: ignore[misc]
            self.rows.append(row)
            self.seconds[process] = max(seconds, self.seconds.get(process, 0.0))
            peaks[process] = max(peak >> 10, peaks.get(process, 0))
            if len(self.rows) == killed_after:
                os.kill(process, signal.SIGKILL)
                print(f"a worker is killed after {killed_after} rows", flush=True)
        self.wall = time.monotonic() - start
        self.peaks = list(peaks.values())

    def __str__(self) -> str:
        busy = ", ".join(f"{seconds:.1f}" for seconds in self.seconds.values())
        each = 1000 * sum(self.seconds.values()) / max(1, len(self.rows))
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        return (
            f"{len(self.rows)} streams: {self.wall:.1f} s; workers busy {busy} s, {each:.2f} ms a stream; "
            f"peaks {self.peaks} MiB, {own} MiB here"
        )


def rates(folder: Path, target: str, peer: str | None, count: int, rounds: int) -> None:
    """One process, a pool of two, the script: in turn, over other streams each time."""
    files = streams(folder)
    scan = Scan(target)
    by_wall, by_work, script = [], [], []
    for number in range(rounds):
        part = files[number * count : (number + 1) * count]
        if not part:
            break
        # A loop is a process of its own, too: what it has kept from the last round would speed it up.
        loop, pool = Taken(part, scan, pool_of(1)), Taken(part, scan, pool_of(2))
        assert loop.rows == pool.rows, "the rows differ"
        by_wall.append(loop.wall / pool.wall)
        # On a machine with other work the wall tells of that: the busiest worker is what a quiet one would wait for.
        by_work.append(sum(loop.seconds.values()) / max(pool.seconds.values()))
        print(f"one: {loop}\ntwo: {pool}\n  {by_wall[-1]:.2f} by the wall, {by_work[-1]:.2f} by the work", flush=True)
        if peer is not None:
            times = [seconds for file in part[:60] if (seconds := read_by(peer, file)) is not None]
            if times:
                script.append(median(times) * len(part) / sum(loop.seconds.values()))
                print(
                    f"  the script: {1000 * median(times):.0f} ms, of {len(times)} streams: {script[-1]:.1f}",
                    flush=True,
                )
    print(
        f"median: two processes {median(by_wall):.2f} times one by the wall, {median(by_work):.2f} by the work"
        + (f", the script {median(script):.1f}" if script else "")
    )


def read_by(peer: str, file: str) -> float | None:
    """Seconds of the processor that QEMU's script takes for a file; None where it does not read it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, peer, "-f", file], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds if done.returncode == 0 else None


def grow(folder: Path, target: str, workers: int) -> None:
    """The time for more and more streams, and the peak of memory of this process and of its workers."""
    files = streams(folder)
    for count in (100, 1000, 10_000):
        if count <= len(files):
            print(Taken(files[:count], Scan(target), pool_of(workers)), flush=True)


def same(folder: Path, target: str, count: int) -> None:
    """What was seen before against nothing seen: each stream is read by itself, with nothing kept of any other."""
    files = streams(folder)[:count]
    against = open_target(target)
    known = Known(against)
    alike = 0
    for file in files:
        outlines = known.outlines.row_of(file) is not None
        row, alone = row_of(file, known), row_of(file, Known(against))
        assert json.dumps(row) == json.dumps(alone), file
        alike += outlines
    print(f"{len(files)} rows are the same alone; {alike} of them were those of an earlier stream that is like it")


@contextmanager
def dask() -> Iterator[str]:
    """The address of a scheduler with two workers, each a process of its own."""
    port = "8799"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    scheduler = subprocess.Popen([*words, "--no-dashboard"], **quiet)
    address = f"tcp://127.0.0.1:{port}"
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    time.sleep(3)
    workers = [subprocess.Popen([*worker, "--no-nanny"], **quiet) for _ in range(2)]
    time.sleep(6)
    try:
        yield address
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def engines(folder: Path, target: str, kill: bool, count: int) -> None:
    """The rows of a pool and of a cluster, one worker of each of which dies, beside those of one process."""
    files = streams(folder)[:count]
    after = len(files) // 5 if kill else None
    alone = Taken(files, Scan(target), pool_of(1))
    print(f"one process: {alone}", flush=True)
    print(f"  {dict(Counter(outcome_of(row) for row in alone.rows))}", flush=True)
    assert [row["file"] for row in alone.rows] == files, "lost, twice or in another order"
    pool = Taken(files, Scan(target), pool_of(2), after)
    print(f"a pool of two: {pool}", flush=True)
    assert pool.rows == alone.rows, "the rows of the pool differ"
    with dask() as address:
        cluster = Taken(files, Scan(target), cluster_of(address), after)
        print(f"the cluster: {cluster}", flush=True)
    assert cluster.rows == alone.rows, "the rows of the cluster differ"
    print(f"{len(files)} rows are the same, in the same order")


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "rates", "same", "grow", "cluster"))
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--count", type=int, default=10_000, help="streams (make, cluster) or streams of a round (rates)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--against", default=str(ROOT / "fixtures/qemu-7.2-q35-virtio-net.mig.xz"))
    parser.add_argument("--peer", help="QEMU's scripts/analyze-migration.py")
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder, options.count, options.seed)
    elif options.what == "rates":
        rates(options.folder, options.against, options.peer, options.count, options.rounds)
    elif options.what == "same":
        same(options.folder, options.against, options.count)
    elif options.what == "grow":
        grow(options.folder, options.against, options.workers)
    else:
        engines(options.folder, options.against, options.kill, options.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
