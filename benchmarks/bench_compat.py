"""How long `vmstate compat` takes over two full dumps, beside QEMU's own checker.

    python benchmarks/bench_compat.py [--peer PATH/vmstate-static-checker.py] [--runs N] [A B]

Whole processes of the same interpreter are timed, taking turns. A and B are -dump-vmstate files, by
default those of 10.0 and 11.1 in fixtures/. Without --peer only our own time is shown. The ratio is
the median of those of neighbouring runs; the exit code is 1 where it is above 1.25.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DUMPS = [ROOT / "fixtures" / "dump-vmstate" / f"qemu-{release}-pc-q35-5.2.json.xz" for release in ("10.0", "11.1")]
LIMIT = 1.25
VMSTATE = [sys.executable, "-c", "import sys; from vmstate.cli import main; sys.exit(main())"]


def descriptions(path: str) -> int:
    """How many descriptions a dump has, nested ones and subsections included."""

    def count(raw: dict) -> int:
        nested = sum(count(field["Description"]) for field in raw.get("Fields", ()) if "Description" in field)
        return 1 + nested + sum(count(sub) for sub in raw.get("Subsections", ()))

    top = json.loads(Path(path).read_bytes())
    return sum(count(entry["Description"]) for entry in top.values() if "Description" in entry)


def timed(command: list[str]) -> float:
    """Seconds that a process takes."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    took = time.perf_counter() - start
    if b"Traceback" in done.stderr:
        raise SystemExit(done.stderr.decode())
    return took


def main() -> int:
    """Time both, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dumps", metavar="A B", nargs="*")
    parser.add_argument("--peer", metavar="PATH", help="QEMU's scripts/vmstate-static-checker.py")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    if len(options.dumps) not in (0, 2):
        parser.error("two dumps, or none")
    with tempfile.TemporaryDirectory() as folder:
        files = options.dumps
        if not files:
            files = [str(Path(folder) / path.name.removesuffix(".xz")) for path in DUMPS]
            for path, file in zip(DUMPS, files, strict=True):
                Path(file).write_bytes(lzma.decompress(path.read_bytes()))
        commands = {"vmstate compat": [*VMSTATE, "compat", *files]}
        if options.peer:
            commands["static checker"] = [sys.executable, options.peer, "-s", files[0], "-d", files[1]]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs + 1):
            for name, command in commands.items():
                times[name].append(timed(command))
        print(f"{sum(map(descriptions, files))} descriptions in {', '.join(Path(file).name for file in files)}")
    for name, took in times.items():
        # The first run of each compiles modules and fills caches.
        print(f"{name:>15}: median {1000 * statistics.median(took[1:]):.1f} ms, best {1000 * min(took[1:]):.1f} ms")
    if not options.peer:
        return 0
    pairs = zip(times["vmstate compat"][1:], times["static checker"][1:], strict=True)
    ratio = statistics.median(own / peer for own, peer in pairs)
    print(f"{ratio:.2f} times the static checker's, at most {LIMIT} are allowed")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
