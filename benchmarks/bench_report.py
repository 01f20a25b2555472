"""How long the page of a stream takes, and the browser until it stands, as ratios in the same run.

    python benchmarks/bench_report.py [--runs N] [--mebibytes N]

The runs of both sides are interleaved; each figure is the median of whole processes, in seconds of processor time.

  page     `vmstate report` of a shipped stream, against `vmstate show --format json`, which decodes as much
  memory   the same of a stream with --mebibytes of RAM (4096), against `cat` of the same file; and the peak over the
           interpreter's in MiB
  browse   the browser in the terminal (80x24, Textual's own driver for tests) of a stream with a quarter of that RAM,
           against the same of the shipped stream
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from run import VMSTATE, stream_with_ram

ROOT = Path(__file__).resolve().parent.parent
STREAM = ROOT / "fixtures/qemu-11.1-q35-smp4-rootports.mig.xz"
BROWSE = """
import asyncio, sys
from vmstate.report.browse import Browser
from vmstate.saved.loading import load_what_is_whole
async def stand(stream):
    async with Browser(stream).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
with load_what_is_whole(sys.argv[1]) as stream:
    asyncio.run(stand(stream))
"""


def process(command: list[str]) -> tuple[float, float]:
    """Processor seconds, and peak memory in MiB, of a process that must end well."""
    child = os.posix_spawnp(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{command}: ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(name: str, own: list[str], peer: list[str], runs: int) -> float:
    """Print a row; the highest peak of our own."""
    pairs = [(process(own), process(peer)) for _ in range(runs)]
    seconds, peers = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(first[0] / second[0] for first, second in pairs)
    print(f"{name:<10}{seconds:>10.2f} s{peers:>10.2f} s{ratio:>10.2f}", flush=True)
    return max(first[1] for first, _ in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=4096)
    options = parser.parse_args()
    print(f"{'':<10}{'own':>12}{'peer':>12}{'ratio':>10}")
    idle = process([sys.executable, "-c", "pass"])[1]
    with tempfile.TemporaryDirectory() as folder:
        page, large, small = (os.path.join(folder, name) for name in ("page.html", "large.mig", "small.mig"))
        compare(
            "page",
            [*VMSTATE, "report", str(STREAM), "-o", page],
            [*VMSTATE, "show", str(STREAM), "--format", "json"],
            options.runs,
        )
        stream_with_ram(Path(large), options.mebibytes)
        peak = compare("memory", [*VMSTATE, "report", large, "-o", page], ["cat", large], options.runs)
        print(f"{'':<10}peak {peak - idle:.0f} MiB over the interpreter")
        os.unlink(large)
        stream_with_ram(Path(small), max(1, options.mebibytes // 4))
        browse = [sys.executable, "-c", BROWSE]
        compare("browse", [*browse, small], [*browse, str(STREAM)], options.runs)


if __name__ == "__main__":
    main()
