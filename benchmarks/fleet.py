"""How fast many streams are scanned, and that every engine gives the same rows.

    python benchmarks/fleet.py make FOLDER --count 10000 --seed 1
    python benchmarks/fleet.py rates FOLDER --peer PATH/analyze-migration.py
    python benchmarks/fleet.py grow FOLDER
    python benchmarks/fleet.py cluster FOLDER --kill

make     streams as of a fleet: the recorded ones, of every release and shape, with values drawn at random in each; one
         of a hundred is damaged (cut off, or with bytes that are others)
rates    the same streams by one process in a loop, by a pool of two, and by QEMU's script, a process for each file, in
         turn; streams that the script does not read are left out of its part. Ratios, and the peak of memory
grow     the time for 100, 1,000 and 10,000 streams
cluster  a Dask scheduler and two workers, each a process of its own; with --kill a worker is killed by SIGKILL when a
         fifth is done. The rows must be those of one process in a loop
"""

from __future__ import annotations

import argparse
import json
import lzma
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import vmstate  # noqa: E402
from vmstate.errors import VMStateError  # noqa: E402
from vmstate.fleet.engine import Engine, cluster_of, in_order, pool_of  # noqa: E402
from vmstate.fleet.scan import Scan  # noqa: E402

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
    return sorted(map(str, folder.rglob("*.mig")))


def scanned(files: Sequence[str], scan: Scan, engine: Engine | None) -> tuple[float, list[Any]]:
    """Seconds, and the rows."""
    start = time.monotonic()
    rows = [scan(file) for file in files] if engine is None else list(in_order(scan, files, engine))
    return time.monotonic() - start, rows


def rates(folder: Path, target: str, peer: str | None, count: int, rounds: int) -> None:
    """One process, a pool of two, the script: in turn, over other streams each time."""
    files = streams(folder)
    scan = Scan(target)
    pool, script = [], []
    for number in range(rounds):
        part = files[number * count : (number + 1) * count]
        if not part:
            break
        # A loop is a process of its own, too: what it has kept from the last round would speed it up.
        alone, rows = scanned(part, scan, pool_of(1))
        two, again = scanned(part, scan, pool_of(2))
        assert rows == again, "the rows differ"
        pool.append(alone / two)
        text = (
            f"{len(part)} streams: one process {len(part) / alone:.1f}/s, two {len(part) / two:.1f}/s ({pool[-1]:.2f})"
        )
        if peer is not None:
            times = [seconds for file in part[:40] if (seconds := read_by(peer, file)) is not None]
            if times:
                script.append(median(times) / (alone / len(part)))
                text += (
                    f"; the script {1 / median(times):.2f}/s, reads {len(times)} of {len(part[:40])} ({script[-1]:.1f})"
                )
        print(text, flush=True)
    print(
        f"median: two processes {median(pool):.2f} times one" + (f", the script {median(script):.1f}" if script else "")
    )


def read_by(peer: str, file: str) -> float | None:
    """Seconds that QEMU's script takes for a file; None where it does not read it."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, peer, "-f", file], capture_output=True, check=False)
    return time.monotonic() - start if done.returncode == 0 else None


def grow(folder: Path, target: str, workers: int) -> None:
    """The time for more and more streams, and the peak of memory of this process and of its workers."""
    files = streams(folder)
    for count in (100, 1000, 10_000):
        if count > len(files):
            break
        seconds = 0.0
        start = time.monotonic()
        done = sum(1 for _ in in_order(Scan(target), files[:count], pool_of(workers)))
        seconds = time.monotonic() - start
        own, child = (
            resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(
            f"{done} streams: {seconds:.1f} s, {1000 * seconds / count:.1f} ms each, peaks {own} and {child} MiB",
            flush=True,
        )


@contextmanager
def dask() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and the processes of two workers."""
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
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def cluster(folder: Path, target: str, kill: bool, count: int) -> None:
    """The rows of a cluster, one worker of which dies, beside those of a pool."""
    files = streams(folder)[:count]
    expected = {}
    start = time.monotonic()
    for row in in_order(Scan(target), files, pool_of(2)):
        expected[row["file"]] = json.dumps(row)  # type: ignore[index]
    print(f"a pool of two: {time.monotonic() - start:.1f} s", flush=True)
    with dask() as (address, workers):
        start = time.monotonic()
        names = []
        for number, row in enumerate(in_order(Scan(target), files, cluster_of(address))):
            if kill and number == len(files) // 5:
                workers[0].send_signal(signal.SIGKILL)
                print(f"a worker is killed after {number} rows", flush=True)
            names.append(row["file"])  # type: ignore[index]
            assert json.dumps(row) == expected[names[-1]], names[-1]
        print(f"the cluster: {time.monotonic() - start:.1f} s", flush=True)
    assert names == files, "lost, twice or in another order"
    print(f"{len(names)} rows are the same, in the same order")


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "rates", "grow", "cluster"))
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
    elif options.what == "grow":
        grow(options.folder, options.against, options.workers)
    else:
        cluster(options.folder, options.against, options.kill, options.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
