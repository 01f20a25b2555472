"""What comes out of large saved machines, how fast, and in how much memory; held against cp and others in turn.

    python benchmarks/bench_saved.py [--size GIB] [--runs N] [--folder DIR] [--peer analyze-migration.py] [--volatility]

Makes in DIR (needs three times the size of disk) a stream of a machine whose memory is incompressible, the same as a
mapped-ram file, and a sparse mapped-ram file of 100 GiB, and removes them. Prints one JSON object per figure:

  elf         `vmstate ram FILE -o OUT --format elf` against `cp --reflink=never --sparse=never FILE OUT`, in turn; the
              cache is warm; seconds, seconds of processor time, peak resident MiB, and the same of an interpreter that
              does nothing
  peer        `analyze-migration.py -x` of the same stream, which extracts a file for each block
  volatility  volatility3's own QEMU layer: a page each MiB through it, where it takes the stream (needs volatility3)
  index       an index of the stream: seconds and bytes that it takes (--index), and from `open_memory` with it to the
              bytes of one page, and one page more
  page        in process: from `load` of the mapped-ram file to the bytes of one page, the library being imported
  info        `vmstate info` of the sparse file, whole process
  verify      `vmstate verify` of the mapped-ram file, whole process
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VMSTATE = [sys.executable, "-c", "import sys; from vmstate.cli import main; sys.exit(main())"]
PAGE, MIB, GIB = 4096, 1 << 20, 1 << 30
RECORDING = ROOT / "fixtures" / "saved" / "mapped-10.0.file.xz"
TABLE = 1 << 20
VMDESC = b'{"page_size": 4096, "devices": []}'

BOUNDS = """
import sys, vmstate
with vmstate.load(sys.argv[1]) as stream:
    ram = next(section for section in stream.sections if section.is_ram)
    print(ram.offset, ram.offset + ram.size, len(stream.source))
"""

PAGE_TIMES = """
import sys, time
from vmstate.saved import open_memory
for number in range(int(sys.argv[2])):
    start = time.perf_counter()
    with open_memory(sys.argv[1]) as memory:
        memory.read(int(sys.argv[3]) // 3 // 4096 * 4096 + 4096 * number, 4096)
    print(1e3 * (time.perf_counter() - start))
"""

INDEXED = """
import sys, time
from vmstate.saved import open_memory
for number in range(50):
    start = time.perf_counter()
    with open_memory(sys.argv[1], index=sys.argv[2]) as memory:
        memory.read(int(sys.argv[3]) // 3 // 4096 * 4096 + 4096 * number, 4096)
        first = time.perf_counter()
        memory.read(int(sys.argv[3]) // 3 // 4096 * 4096 + 8192 * number, 4096)
        last = time.perf_counter()
    print(1e3 * (first - start), 1e3 * (last - first))
"""

VOLATILITY = """
import sys, time
from volatility3.framework import contexts
from volatility3.framework.layers import physical, qemu
context = contexts.Context()
context.config["base.location"] = "file://" + sys.argv[1]
context.add_layer(physical.FileLayer(context, "base", "base"))
context.config["qemu.base_layer"] = "base"
start = time.perf_counter()
layer = qemu.QemuSuspendLayer(context, "qemu", "qemu")
opened = time.perf_counter() - start
for address in range(0, int(sys.argv[2]), 1 << 20):
    layer.read(address, 4096)
print(opened, time.perf_counter() - start)
"""

OURS = """
import sys, time
from vmstate.saved import open_memory
start = time.perf_counter()
with open_memory(sys.argv[1]) as memory:
    for each in memory.ranges:
        for address in range(each.address, each.address + each.size, 1 << 20):
            memory.read(address, 4096)
print(time.perf_counter() - start)
"""


def framed(payload: Iterator[bytes], head: bytes) -> Iterator[bytes]:
    """A stream with one section `ram`, of which `payload` is the body."""
    yield head + b"\1" + struct.pack(">I", 2) + b"\3ram" + struct.pack(">II", 0, 4)
    yield from payload
    end = struct.pack(">Q", 0x10)
    yield end + b"\x7e\0\0\0\2\0\6" + struct.pack(">I", len(VMDESC)) + VMDESC


def plain(size: int) -> Iterator[bytes]:
    """The body of `ram`: one block, each of whose pages is sent once."""
    name = b"\x06pc.ram"
    yield struct.pack(">Q", size | 4) + name + struct.pack(">QQ", size, 0x10) + b"\x7e\0\0\0\2\3\0\0\0\2"
    flags = 8
    for start in range(0, size, MIB):
        block = os.urandom(MIB)
        out = bytearray()
        for at in range(0, MIB, PAGE):
            out += struct.pack(">Q", start + at | flags) + (name if flags == 8 else b"") + block[at : at + PAGE]
            flags = 0x28
        yield bytes(out)


def write_plain(path: Path, size: int) -> None:
    machine = b"pc-q35-7.2"
    head = b"QEVM" + struct.pack(">I", 3) + b"\7" + struct.pack(">I", len(machine)) + machine
    with path.open("wb") as file:
        for piece in framed(plain(size), head):
            file.write(piece)


def write_mapped(path: Path, size: int, filled: bool) -> None:
    """A mapped-ram file with every page, or with none; its devices are those of a recorded one."""
    recorded = lzma.decompress(RECORDING.read_bytes())
    done = subprocess.run([sys.executable, "-c", BOUNDS, RECORDING], capture_output=True, check=True)
    first, end, last = map(int, done.stdout.split())
    name, pages = b"\x0bmicrovm.ram", size // PAGE
    start = recorded[:first] + b"\1" + struct.pack(">I", 2) + b"\3ram" + struct.pack(">II", 0, 4)
    begin = len(start) + 8 + len(name) + 8 + 28
    place = -(-(begin + pages // 8) // TABLE) * TABLE
    start += struct.pack(">Q", size | 4) + name + struct.pack(">QIQQQ", size, 1, PAGE, begin, place)
    section_id = recorded[first + 1 : first + 5]
    start = start.replace(b"\1" + struct.pack(">I", 2) + b"\3ram", b"\1" + section_id + b"\3ram")
    with path.open("wb") as file:
        file.write(start)
        if filled:
            file.write(b"\xff" * (pages // 8))
            file.seek(place)
            for _ in range(0, size, MIB):
                file.write(os.urandom(MIB))
        file.seek(place + size)
        file.write(struct.pack(">Q", 0x10) + b"\x7e" + section_id + recorded[end:last])


def environment() -> dict[str, str]:
    """The environment of what is measured: this tree, whether it is installed or not."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(command: Sequence[str | Path]) -> dict[str, float]:
    """What a process takes: seconds, seconds of processor time, and its peak in MiB."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, command[-4:]))} ended with {child.returncode}")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}


def told(figure: str, **values: Any) -> None:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
    print(json.dumps({"benchmark": "saved", "figure": figure, **rounded}), flush=True)


def elf(path: Path, runs: int) -> None:
    out = path.with_suffix(".out")
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(run(["cp", "--reflink=never", "--sparse=never", path, out]))
        out.unlink()
        ours.append(run([*VMSTATE, "ram", path, "-o", out, "--format", "elf"]))
        out.unlink()
    empty = run([sys.executable, "-c", "pass"])["peak_mib"]
    ratios = {
        f"of_cp_{name}": statistics.median(cp[name] / own[name] for cp, own in zip(theirs, ours, strict=True))
        for name in ("seconds", "cpu")
    }
    row = {name: statistics.median(each[name] for each in ours) for name in ours[0]}
    told(
        "elf", **row, cp_seconds=statistics.median(each["seconds"] for each in theirs), **ratios, interpreter_mib=empty
    )


def peer(path: Path, script: str) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, script, "-x", "-f", path.resolve()],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        last = (done.stderr.strip().splitlines() or [""])[-1]
        written = sum(each.stat().st_size for each in Path(folder).iterdir())
        told("peer", seconds=time.perf_counter() - start, exit=done.returncode, said=last, extracted=written)


def volatility(path: Path, size: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VOLATILITY, path.resolve(), str(size)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        told("volatility", said=done.stderr.strip().splitlines()[-1])
    else:
        opened, seconds = map(float, done.stdout.split())
        told("volatility", opened=opened, seconds=seconds)
    done = subprocess.run(
        [sys.executable, "-c", OURS, path.resolve(), str(size)],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    told("volatility-ours", seconds=float(done.stdout))


def page(path: Path, size: int) -> None:
    command = [sys.executable, "-c", PAGE_TIMES, path, "50", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    times = list(map(float, done.stdout.split()))
    told("page", milliseconds=statistics.median(times), least=min(times), first=times[0])


def indexed(path: Path, size: int) -> None:
    index = path.with_suffix(".index")
    row = run([*VMSTATE, "ram", path, "--index", index])
    command = [sys.executable, "-c", INDEXED, path, index, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    times = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    opened, more = (statistics.median(column) for column in zip(*times, strict=True))
    told("index", **row, bytes=index.stat().st_size, milliseconds=opened, page_more_milliseconds=more)
    index.unlink()


def whole(figure: str, verb: str, path: Path, runs: int) -> None:
    rows = [run([*VMSTATE, verb, path]) for _ in range(runs)]
    told(figure, **{name: statistics.median(row[name] for row in rows) for name in rows[0]})


def make(path: Path, size: int) -> None:
    if path.stem == "guest":
        write_plain(path, size)
    else:
        write_mapped(path, size, path.stem == "mapped")


def made(path: Path, gib: int) -> None:
    # In a process of its own: what is started by a large one counts as large.
    subprocess.run([sys.executable, __file__, "--make", path, "--size", str(gib)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--peer")
    parser.add_argument("--volatility", action="store_true")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = options.size * GIB
    if options.make:
        make(Path(options.make), size)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stream, mapped, sparse = (Path(folder) / name for name in ("guest.mig", "mapped.mig", "sparse.mig"))
        made(sparse, 100)
        whole("info", "info", sparse, options.runs)
        made(mapped, options.size)
        page(mapped, size)
        whole("verify", "verify", mapped, options.runs)
        mapped.unlink()
        made(stream, options.size)
        indexed(stream, size)
        elf(stream, options.runs)
        if options.volatility:
            volatility(stream, size)
        if options.peer:
            peer(stream, options.peer)


if __name__ == "__main__":
    main()
