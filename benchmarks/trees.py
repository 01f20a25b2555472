"""How fast this tree is against another checkout of it, in turn, in the same run: nothing may have become slower.

    python benchmarks/trees.py OTHER [--pairs N] [--json OUT] [--only FIGURE,...]

Each pair runs this tree and the other one, in an order that changes from pair to pair, in processes of their own under
one interpreter; a figure is the ratio of their seconds of processor time. The interval is of the geometric mean of the
ratios (95 %, Student's t on their logarithms). Exit code 1 where the upper end of an interval is above --bound.

  warm       every section of a stream decoded, the descriptions being compiled already
  first      the same, the first time in a process
  info, show whole processes: `vmstate info FILE`, `vmstate show FILE --format json`
  ram        `vmstate info` over a stream with 128 MiB of RAM
  virtio     the section of a card with four queue pairs, decoded, every queue looked at, encoded
  early      a snapshot of that card compared with a later state, and the record applied
  fuzz       300 streams of the decoder's campaign, with one seed
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from run import stream_with_ram

ROOT = Path(__file__).resolve().parent.parent
STREAM = "qemu-11.1-q35-smp4-rootports"
CARD = "qemu-11.1-q35-virtio-net-mq4"
PAIR = "pairs/qemu-11.1-mq4-rss-on"
COMMAND = "import sys; from vmstate.cli import main; sys.exit(main())"

# Each prints the seconds of processor time that it took, or does not, where the whole process counts.
LOAD = """
import sys, time, vmstate
import vmstate.schema.values
vmstate.load
def run():
    with vmstate.load(sys.argv[1]) as stream:
        return [section.state for section in stream.sections]
def timed():
    start = time.process_time()
    run()
    return time.process_time() - start
"""
FIRST = LOAD + "print(timed())"
WARM = LOAD + "run(); print(min(timed() for _ in range(20)))"
VIRTIO = """
import sys, time, vmstate
section = vmstate.load(sys.argv[1])["virtio-net"]
vmsd, data = section.vmsd, section.payload()
from vmstate.vmsd.state import facts_of
facts = facts_of(section.state)
def run():
    state = vmsd.decode(data, facts=facts)
    virtio = state.virtio.virtio
    sum(queue.avail + queue.used for queue in virtio.virtqueues.vq)
    sum(queue.num for queue in virtio.extra_state.extra_state.modern_state.vqs)
    assert vmsd.encode(state) == data
def timed():
    start = time.process_time()
    run()
    return time.process_time() - start
run()
print(min(timed() for _ in range(15)))
"""
EARLY = """
import sys, time, vmstate
from vmstate.early import PerItem, Snapshot
early, final = (vmstate.load(path)["virtio-net"] for path in sys.argv[1:3])
snapshot = Snapshot.take(early.state)
def run():
    record = PerItem().plan(snapshot.compare(early.state)).record
    snapshot.apply(record, snapshot.decode())
    snapshot.compare(final.state)
def timed():
    start = time.process_time()
    for _ in range(5):
        run()
    return time.process_time() - start
run()
print(min(timed() for _ in range(10)))
"""


class Figure:
    """What is run for one figure: code and arguments; `counts` says what of it is the time."""

    def __init__(self, name: str, code: str, *arguments: str, whole: bool = False) -> None:
        self.name = name
        self.command = [sys.executable, "-c", code, *arguments]
        self.whole = whole

    def seconds(self, tree: Path) -> float:
        """Seconds of processor time in a tree."""
        environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            self.command, capture_output=True, text=True, env=environment, cwd=tempfile.gettempdir(), check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{self.name} in {tree}: {done.stderr.strip()[-300:]}")
        if self.whole:
            return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        return float(done.stdout)


def figures(folder: Path) -> list[Figure]:
    """All of them, over streams that lie decompressed in a folder."""

    def plain(name: str) -> str:
        path = folder / Path(name).name
        path.write_bytes(lzma.decompress((ROOT / "fixtures" / f"{name}.mig.xz").read_bytes()))
        return str(path)

    stream, card = plain(STREAM), plain(CARD)
    ram = folder / "ram"
    stream_with_ram(ram, 128)
    fuzz = ("fuzz", "decoder", "--seed", stream, "--runs", "300", "--devices", "i8254")
    return [
        Figure("warm", WARM, stream),
        Figure("first", FIRST, stream),
        Figure("info", COMMAND, "info", stream, whole=True),
        Figure("show", COMMAND, "show", stream, "--format", "json", whole=True),
        Figure("ram", COMMAND, "info", str(ram), whole=True),
        Figure("virtio", VIRTIO, card),
        Figure("early", EARLY, plain(f"{PAIR}-early"), plain(f"{PAIR}-final")),
        Figure("fuzz", COMMAND, *fuzz, whole=True),
    ]


# Two-sided 95 % points of Student's t, by degrees of freedom; between two of them the lower one's is taken.
STUDENT = {9: 2.262, 14: 2.145, 19: 2.093, 24: 2.064, 29: 2.045, 39: 2.023, 59: 2.001, 99: 1.984}


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """(geometric mean, lower end, upper end) of the 95 % interval."""
    logarithms = [math.log(ratio) for ratio in ratios]
    mean = statistics.fmean(logarithms)
    point = next((t for freedom, t in sorted(STUDENT.items(), reverse=True) if freedom < len(ratios)), 2.262)
    half = point * statistics.stdev(logarithms) / math.sqrt(len(ratios))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def main() -> int:
    """Measure, print a table, write JSON; 1 where something has become slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", metavar="OTHER", type=Path, help="the checkout to compare with")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--bound", type=float, default=1.05)
    parser.add_argument("--only", metavar="FIGURE,...", help="only these")
    parser.add_argument("--json", metavar="OUT", type=Path)
    options = parser.parse_args()
    if options.pairs < min(STUDENT) + 1:
        parser.error(f"--pairs is at least {min(STUDENT) + 1}")
    trees = (ROOT, options.other.resolve())
    for tree in trees:
        # Compiled modules are part of an installation. The walk does not follow the link to the devices.
        places = [str(tree / name) for name in ("vmstate", "devices")]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *places], check=False)
    rows: list[dict[str, Any]] = []
    print(f"{'figure':8}{'this':>11}{'other':>11}{'ratio':>9}   95 % interval   ({options.pairs} pairs)")
    with tempfile.TemporaryDirectory() as name:
        for figure in figures(Path(name)):
            if options.only and figure.name not in options.only.split(","):
                continue
            seconds: dict[Path, list[float]] = {tree: [] for tree in trees}
            for number in range(options.pairs + 1):
                for tree in trees if number % 2 else reversed(trees):
                    seconds[tree].append(figure.seconds(tree))
            # The first pair is the one that fills the caches.
            this, second = (seconds[tree][1:] for tree in trees)
            mean, lower, upper = interval([a / b for a, b in zip(this, second, strict=True)])
            own_ms, other_ms = (1e3 * statistics.median(times) for times in (this, second))
            rows.append({"figure": figure.name, "this_ms": own_ms, "other_ms": other_ms, "ratio": mean})
            rows[-1] |= {"lower": lower, "upper": upper}
            print(
                f"{figure.name:8}{own_ms:8.2f} ms{other_ms:8.2f} ms{mean:9.3f}   {lower:.3f} to {upper:.3f}", flush=True
            )
    slower = [row["figure"] for row in rows if row["upper"] > options.bound]
    print(f"upper ends at most {options.bound}: {'no: ' + ', '.join(slower) if slower else 'yes'}")
    if options.json is not None:
        facts = {"python": sys.version.split()[0], "pairs": options.pairs, "bound": options.bound, "rows": rows}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
