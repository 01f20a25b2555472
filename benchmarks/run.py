"""How fast the library is, as ratios against QEMU's scripts/analyze-migration.py in the same run.

    python benchmarks/run.py --peer PATH/analyze-migration.py [--runs N] [--json OUT] [STREAM...]

The runs of both sides are interleaved, under one interpreter binary; each figure is a median, each ratio the median of
the ratios of neighbouring runs. Without --peer the library's own times are printed. The peer is never part of this
project: give it from a QEMU source tree.

  warm       every section decoded in process, the descriptions being compiled already, against the peer's read()
  first      the same, the first time in a process
  warm-json, first-json
             and every state as JSON values, against the peer's read() with getDict()
  info, show whole processes: `vmstate info FILE`, `vmstate show FILE --format json`
  ram        whole processes over a stream with RAM, and their peak memory
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STREAMS = ("peer/qemu-7.2-q35-stopped", "qemu-11.1-q35-virtio-net", "qemu-11.1-q35-smp4-rootports")
VMSTATE = [sys.executable, "-c", "import sys; from vmstate.cli import main; sys.exit(main())"]

# The peer parses its arguments and runs when it is imported: only its definitions are taken.
PEER_LOAD = """
import ast, sys, time
tree = ast.parse(open(sys.argv[1]).read())
keep = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
tree.body = [node for node in tree.body if isinstance(node, keep)
             or isinstance(node, ast.Assign) and node.targets[0].id == "vmsd_field_readers"]
peer = {"__name__": "peer"}
exec(compile(tree, sys.argv[1], "exec"), peer)
def run():
    dump = peer["MigrationDump"](sys.argv[2])
    dump.read()
    return dump
"""
PEER_JSON = PEER_LOAD.replace("return dump", "return dump.getDict()")
OWN_LOAD = """
import sys, time, vmstate
from vmstate.schema.values import to_plain
vmstate.load
def run():
    with vmstate.load(sys.argv[2]) as stream:
        return [section.state for section in stream.sections]
"""
OWN_JSON = OWN_LOAD.replace("[section.state for", "[to_plain(section.state) for")
TIMES = """
def timed():
    start = time.process_time()
    run()
    return time.process_time() - start
first = timed()
print(first, min(timed() for _ in range(int(sys.argv[3]))))
"""


def in_process(load: str, peer: str, stream: str, repeats: int) -> tuple[float, float]:
    """(first, warm) seconds of processor time of one side, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", load + TIMES, peer, stream, str(repeats)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if done.returncode:
        side = "vmstate" if load in (OWN_LOAD, OWN_JSON) else peer
        raise SystemExit(f"{side} does not read {stream}: {done.stderr.strip().splitlines()[-1]}")
    first, warm = map(float, done.stdout.split())
    return first, warm


def environment() -> dict[str, str]:
    """The environment of what is measured: this tree, whether it is installed or not."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def process(command: list[str]) -> tuple[float, int]:
    """(seconds, peak resident KiB) of a whole process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ... failed with {child.returncode}")
    return seconds, usage.ru_maxrss


def compare(
    name: str, stream: str, runs: int, own: Callable[[], float], peer: Callable[[], float] | None
) -> dict[str, Any]:
    """One figure: medians of both sides and of their ratio."""
    own()
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(own())
        if peer is not None:
            theirs.append(peer())
    row: dict[str, Any] = {"figure": name, "stream": stream, "own_ms": 1e3 * statistics.median(ours)}
    if theirs:
        row["peer_ms"] = 1e3 * statistics.median(theirs)
        row["own_of_peer"] = statistics.median(first / second for first, second in zip(ours, theirs, strict=True))
        row["times_faster"] = 1 / row["own_of_peer"]
    return row


def measure(stream: Path, peer: str | None, runs: int) -> Iterator[dict[str, Any]]:
    """The figures of one stream."""
    name, path = stream.name, str(stream)
    for figure, own, theirs, place in (
        ("warm", OWN_LOAD, PEER_LOAD, 1),
        ("first", OWN_LOAD, PEER_LOAD, 0),
        ("warm-json", OWN_JSON, PEER_JSON, 1),
        ("first-json", OWN_JSON, PEER_JSON, 0),
    ):
        yield compare(
            figure,
            name,
            runs,
            lambda own=own, place=place: in_process(own, "-", path, 20)[place],  # type: ignore[misc]
            None if peer is None else lambda theirs=theirs, place=place: in_process(theirs, peer, path, 5)[place],  # type: ignore[misc]
        )
    whole = None if peer is None else lambda: process([sys.executable, peer, "-f", path])[0]
    yield compare("info", name, runs, lambda: process([*VMSTATE, "info", path])[0], whole)
    yield compare("show", name, runs, lambda: process([*VMSTATE, "show", path, "--format", "json"])[0], whole)


def stream_with_ram(path: Path, mebibytes: int) -> None:
    """A stream of one machine without devices: `mebibytes` of pages, one in eight of them zero."""
    page, zero = 0x08, 0x02
    vmdesc = b'{"page_size": 4096, "devices": []}'
    total = mebibytes << 20
    with path.open("wb") as out:
        out.write(b"QEVM" + (3).to_bytes(4, "big"))
        out.write(b"\x01" + (1).to_bytes(4, "big") + b"\x03ram" + bytes(4) + (4).to_bytes(4, "big"))
        out.write((total | 0x04).to_bytes(8, "big") + b"\x02pc" + total.to_bytes(8, "big"))
        body = os.urandom(4096)
        for address in range(0, total, 4096):
            kind = zero if address // 4096 % 512 < 64 else page
            name = b"\x02pc" if address == 0 else b""
            out.write((address | kind | (0 if name else 0x20)).to_bytes(8, "big") + name)
            out.write(b"\0" if kind == zero else body)
        out.write((0x10).to_bytes(8, "big") + b"\x7e" + (1).to_bytes(4, "big"))
        out.write(b"\x00\x06" + len(vmdesc).to_bytes(4, "big") + vmdesc)


def measure_ram(folder: Path, peer: str | None, runs: int) -> Iterator[dict[str, Any]]:
    """Whole processes over streams with RAM: their time, and their peak memory over that of the interpreter."""
    idle = process([sys.executable, "-c", "pass"])[1]
    for mebibytes in (128, 1024):
        path = folder / f"ram-{mebibytes}.mig"
        stream_with_ram(path, mebibytes)
        peaks: list[int] = []

        def own(path: Path = path, peaks: list[int] = peaks) -> float:
            seconds, peak = process([*VMSTATE, "info", str(path)])
            peaks.append(peak)
            return seconds

        whole = None if peer is None else lambda path=path: process([sys.executable, peer, "-f", str(path)])[0]  # type: ignore[misc]
        row = compare("ram", f"{mebibytes} MiB", min(runs, 5), own, whole)
        yield {**row, "peak_over_interpreter_mib": (max(peaks) - idle) / 1024}
        path.unlink()


def plain(stream: Path, folder: Path) -> Path:
    """A stream, decompressed: the peer reads no other."""
    if stream.suffix != ".xz":
        return stream
    path = folder / stream.stem
    path.write_bytes(lzma.decompress(stream.read_bytes()))
    return path


def show(row: dict[str, Any]) -> None:
    """One line of the table."""
    cells = [f"{row['figure']:10}", f"{row['stream']:38}", f"{row['own_ms']:10.2f} ms"]
    if "peer_ms" in row:
        cells += [f"{row['peer_ms']:10.2f} ms", f"{row['own_of_peer']:7.3f}", f"{row['times_faster']:7.1f}x"]
    if "peak_over_interpreter_mib" in row:
        cells.append(f"peak {row['peak_over_interpreter_mib']:.1f} MiB over the interpreter")
    print("  ".join(cells), flush=True)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="PATH", help="analyze-migration.py of a QEMU source tree")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", metavar="OUT", type=Path)
    parser.add_argument("streams", nargs="*", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    # Compiled modules are part of an installation; an environment may forbid to write them on the way.
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "vmstate", ROOT / "devices"], check=False)
    print(f"{'figure':10}  {'stream':38}  {'own':>13}  {'peer':>13}  {'own/peer':>7}  {'faster':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        streams = options.streams or [ROOT / "fixtures" / f"{name}.mig.xz" for name in STREAMS]
        for stream in streams:
            for row in measure(plain(stream, folder), options.peer, options.runs):
                rows.append(row)
                show(row)
        for row in measure_ram(folder, options.peer, options.runs):
            rows.append(row)
            show(row)
    if options.json is not None:
        facts = {"python": sys.version.split()[0], "runs": options.runs, "rows": rows}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
