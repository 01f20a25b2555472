"""Guest memory written out for other tools: raw, as an ELF core, in the LiME format.

raw: byte n of the file is byte n of physical memory. ELF: as QEMU's dump-guest-memory has it without paging, with
what each processor held (NT_PRSTATUS and QEMU's own note, x86 and aarch64) and the kernel's VMCOREINFO; a note
"vmstate" says where all of it came from. LiME: le u32 0x4c694d45, u32 1, u64 first byte, u64 last byte, u64 0 before
each range. What is zero stays a hole in the file. Facts from QEMU's dump/dump.c, target/i386/arch_dump.c and
target/arm/arch_dump.c, and LiME's doc/README.md.
"""

from __future__ import annotations

import json
import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from vmstate.errors import StreamError, VMStateError
from vmstate.files import replacing, reported
from vmstate.saved.mapped import read_into
from vmstate.saved.opening import Input
from vmstate.stream.memory import GuestMemory
from vmstate.stream.memory_map import MemoryRange
from vmstate.stream.memory_pages import MISSING, PLAIN, Run
from vmstate.stream.source import StreamSource
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.path import resolve

FORMS = ("raw", "elf", "lime")

RELEASE = 16 << 20
"""Bytes of the input that are passed before the system may have them back."""

BATCH = 256
"""Pages that are copied at once."""

GAP = 64
"""Bytes between two pages that are read along with them."""

VIEWS = 1000
"""Pieces that the system takes at once, with some room."""

LARGEST = 1 << 62
"""Bytes of a file at most; systems take twice as many."""

NOTES_ROOM = 64 << 10
"""Bytes of an ELF file for what is known when all memory has been passed."""

VMCOREINFO = b"OSRELEASE="
"""What the kernel's VMCOREINFO begins with, at the beginning of a page."""

_ALIGNED = 4096
_LIME = struct.Struct("<IIQQQ")
_LIME_MAGIC = 0x4C694D45

_MACHINES = {"x86": (62, "<"), "aarch64": (183, "<"), "s390x": (22, ">"), "ppc64": (21, ">"), "riscv": (243, "<")}

_NT_PRSTATUS = 1
_X86_PRSTATUS = 336
_ARM_PRSTATUS = 392


class Written(Data):
    """What was written: bytes in the file, bytes of memory in it, and what is missing as (address, size)."""

    size: int
    memory: int
    missing: tuple[tuple[int, int], ...]
    vmcoreinfo: int | None


class _Copy:
    """Memory on its way into a file, range by range."""

    def __init__(
        self,
        source: StreamSource | None,
        memory: GuestMemory,
        descriptor: int,
        name: str,
        progress: Callable[[int], None] | None,
        writer: str,
    ) -> None:
        self.source = source
        self.memory = memory
        self.descriptor = descriptor
        self.name = name
        self.writer = writer
        self.progress = progress
        self.missing: list[tuple[int, int]] = []
        self.vmcoreinfo: int | None = None
        self.done = 0
        self._passed = 0
        self._buffer = memoryview(bytearray(BATCH * memory.page_size))
        self._room = memoryview(bytearray(GAP))
        self._pattern: tuple[int, list[memoryview]] = (-1, [])

    def range(self, memory_range: MemoryRange, place: int) -> None:
        """Write a range to a place in the file."""
        page_size, first = self.memory.page_size, memory_range.offset // self.memory.page_size
        for run in self.memory.runs(memory_range):
            at = (run.first - first) * page_size
            size = run.length * page_size
            if run.at is not None and run.gap <= GAP and isinstance(self.source, Input):
                self._copy(run, run.at, place + at, memory_range.address + at)
            elif run.kind == PLAIN:
                self._look_for_vmcoreinfo(run.views, memory_range.address + at)
                with reported(self.name):
                    _write(self.descriptor, run.views, place + at)
            elif run.kind == MISSING:
                self.missing.append((memory_range.address + at, min(size, memory_range.size - at)))
            self.done += size
            self._passed += size
            if self._passed >= RELEASE and self.memory.release is not None:
                # Where in the input it stands is not known here; what is still needed is read again.
                self.memory.release(0, 1 << 62)
                self._passed = 0
            if self.progress is not None:
                self.progress(self.done)

    def _copy(self, run: Run, at: int, place: int, address: int) -> None:
        """Copy pages that stand evenly in the input, without a look at each."""
        size = self.memory.page_size
        assert isinstance(self.source, Input)
        if self._pattern[0] != run.gap:
            self._pattern = run.gap, list(self._apart(run.gap))
        pieces = self._pattern[1]
        for first in range(0, run.length, BATCH):
            count = min(BATCH, run.length - first)
            filled = self._buffer[: count * size]
            start = at + first * (size + run.gap)
            read_into(self.source, pieces[: 2 * count - 1] if run.gap else [filled], start)
            self._look_for_vmcoreinfo([filled], address + first * size)
            with reported(self.name):
                _write(self.descriptor, [filled], place + first * size)

    def _apart(self, gap: int) -> Iterator[memoryview]:
        """The pages of the buffer, and between them room for what stands between two pages."""
        size = self.memory.page_size
        for start in range(0, len(self._buffer), size):
            if start:
                yield self._room[:gap]
            yield self._buffer[start : start + size]

    def _look_for_vmcoreinfo(self, views: Sequence[memoryview], address: int) -> None:
        if self.vmcoreinfo is not None:
            return
        step, begin = self.memory.page_size, VMCOREINFO[:1]
        for view in views:
            begins, number = bytes(view[::step]), -1
            while (number := begins.find(begin, number + 1)) >= 0:
                at = number * step
                if view[at : at + len(VMCOREINFO)] == VMCOREINFO:
                    self.vmcoreinfo = address + at
                    return
            address += len(view)


def _write(descriptor: int, views: Sequence[memoryview], place: int) -> None:
    """Write pieces one behind the other, all of them."""
    waiting = list(views)
    while waiting:
        written = os.pwritev(descriptor, waiting[:VIEWS], place)
        place += written
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if written:
            waiting[0] = waiting[0][written:]


def left_out(stream: Stream, memory: GuestMemory) -> list[str]:
    """The blocks of memory that the source left out (x-ignore-shared) and no file was given for.

    The block list does not say which are shared. Each of them has no page in the stream, and every other has all; of a
    stream that breaks off, or whose further channels are missing, it cannot be told.
    """
    if stream.cut is not None or all(block.gpa is None for block in stream.ram.blocks):
        return []
    if "multifd flush" in stream.ram.firsts and not stream.channels:
        return []
    names = dict.fromkeys(each.block for each in memory.ranges)
    blocks = map(memory.block, names)
    return [block.name for block in blocks if all(run.kind == MISSING for run in block.runs(0, block.count))]


def refuse_left_out(stream: Stream, memory: GuestMemory) -> None:
    """Refuse memory of which a block is in a file of its own that was not given. Raises `StreamError`."""
    names = left_out(stream, memory)
    if names:
        raise StreamError(
            f"memory is not in the stream but in a file of its own (x-ignore-shared): {', '.join(names)}",
            file=stream.name,
            expected=", ".join(f"--memory {name}=FILE" for name in names),
        )


def write_ram(
    stream: Stream,
    memory: GuestMemory,
    path: str,
    form: str,
    progress: Callable[[int], None] | None = None,
    *,
    writer: str = "vmstate",
    sync: bool = False,
) -> Written:
    """Write the memory of a machine to a file, in one of `FORMS`; `progress` is told the bytes that are passed, and
    `writer` is what an ELF file names as its maker. With `sync` the file is on disk in the end.

    Raises `VMStateError`: nothing is known of where the machine has its memory, a block of it is in a file of its own
    that was not given (`left_out`), or the file cannot be written.
    """
    ranges = memory.ranges
    refuse_left_out(stream, memory)
    if not ranges:
        raise StreamError(
            "where the machine has its memory is not known", file=stream.name, expected="the address of a block"
        )
    size = max(each.address + each.size for each in ranges) if form == "raw" else sum(each.size for each in ranges)
    if size > LARGEST:
        raise StreamError(
            "memory that reaches so far is no file of a system",
            file=path,
            expected=f"at most {LARGEST} bytes" + (", or the format elf or lime" if form == "raw" else ""),
            found=str(size),
        )
    with replacing(path, sync=sync) as file:
        descriptor = file.fileno()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StreamError("memory is written here and there", file=path, expected="a file")
        copy = _Copy(stream.input, memory, descriptor, path, progress, writer)
        if form == "elf":
            size = _write_elf(stream, copy, ranges)
        elif form == "lime":
            size = _write_lime(copy, ranges)
        else:
            size = max(memory_range.address + memory_range.size for memory_range in ranges)
            with reported(path):
                os.ftruncate(descriptor, size)
            for memory_range in ranges:
                copy.range(memory_range, memory_range.address)
    total = sum(memory_range.size for memory_range in ranges)
    return Written(size, total, tuple(copy.missing), copy.vmcoreinfo)


def _write_lime(copy: _Copy, ranges: Sequence[MemoryRange]) -> int:
    places, size = [], 0
    for memory_range in ranges:
        places.append(size + _LIME.size)
        size += _LIME.size + memory_range.size
    with reported(copy.name):
        os.ftruncate(copy.descriptor, size)
    for memory_range, place in zip(ranges, places, strict=True):
        last = memory_range.address + memory_range.size - 1
        head = _LIME.pack(_LIME_MAGIC, 1, memory_range.address, last, 0)
        with reported(copy.name):
            _write(copy.descriptor, [memoryview(head)], place - _LIME.size)
        copy.range(memory_range, place)
    return size


# ELF.


def architecture_of(stream: Stream) -> str:
    """The architecture of a machine, by its memory and its processors."""
    names = {block.idstr for block in stream.ram.blocks}
    machine = stream.machine or ""
    if "s390.ram" in names or machine.startswith("s390"):
        return "s390x"
    if names & {"ppc_spapr.ram", "ppc_heathrow.ram"} or machine.startswith(("pseries", "powernv")):
        return "ppc64"
    if "riscv_virt_board.ram" in names:
        return "riscv"
    if "mach-virt.ram" in names or machine.startswith("virt"):
        return "aarch64"
    return "x86"


def _write_elf(stream: Stream, copy: _Copy, ranges: Sequence[MemoryRange]) -> int:
    architecture = architecture_of(stream)
    machine, order = _MACHINES[architecture]
    notes = list(cpu_notes(stream, architecture))
    phdrs = 1 + len(ranges)
    if phdrs >= 0xFFFF:
        raise StreamError("too many ranges of memory for an ELF file", file=stream.name, found=str(len(ranges)))
    notes_at = 64 + 56 * phdrs
    place = -(-(notes_at + sum(map(len, notes)) + NOTES_ROOM) // _ALIGNED) * _ALIGNED
    places = []
    for memory_range in ranges:
        places.append(place)
        place += memory_range.size
    with reported(copy.name):
        os.ftruncate(copy.descriptor, place)
    for memory_range, start in zip(ranges, places, strict=True):
        copy.range(memory_range, start)
    text = _vmcoreinfo(copy)
    if text:
        notes.append(note(order, "VMCOREINFO", 0, text))
    notes.append(note(order, "vmstate", 1, json.dumps(_origin(stream, copy)).encode()[: NOTES_ROOM // 4]))
    body = b"".join(notes)
    head = b"\x7fELF" + bytes((2, 1 if order == "<" else 2, 1)) + bytes(9)
    head += struct.pack(f"{order}HHIQQQIHHHHHH", 4, machine, 1, 0, 64, 0, 0, 64, 56, phdrs, 0, 0, 0)
    head += struct.pack(f"{order}IIQQQQQQ", 4, 0, notes_at, 0, 0, len(body), len(body), 0)
    for memory_range, start in zip(ranges, places, strict=True):
        at, size = memory_range.address, memory_range.size
        head += struct.pack(f"{order}IIQQQQQQ", 1, 7, start, at, at, size, size, 0)
    with reported(copy.name):
        _write(copy.descriptor, [memoryview(head + body)], 0)
    return place


def _origin(stream: Stream, copy: _Copy) -> dict[str, Any]:
    """Where what is written came from."""
    source = stream.input
    return {
        "writer": copy.writer,
        "file": stream.name,
        "stream_offset": 0 if source is None else source.origin,
        "machine": stream.machine,
        "map": copy.memory.map.source,
        "missing_pages": sum(size for _, size in copy.missing) // copy.memory.page_size,
    }


def note(order: str, name: str, kind: int, content: bytes) -> bytes:
    """An ELF note."""
    text = name.encode() + b"\0"
    head = struct.pack(f"{order}III", len(text), len(content), kind)
    return head + text + bytes(-len(text) % 4) + content + bytes(-len(content) % 4)


def _vmcoreinfo(copy: _Copy) -> bytes | None:
    """The kernel's description of itself, which a page of memory begins with and a zero byte ends."""
    if copy.vmcoreinfo is None:
        return None
    with suppress(VMStateError):
        return copy.memory.read(copy.vmcoreinfo, 2 * 4096).partition(b"\0")[0]
    with suppress(VMStateError):
        return copy.memory.read(copy.vmcoreinfo, 4096).partition(b"\0")[0]
    return None


def cpu_notes(stream: Stream, architecture: str) -> Iterator[bytes]:
    """What each processor held, as QEMU's notes have it; nothing for an architecture of which that is not known."""
    cpus = [section for section in stream.sections if section.name.rpartition("/")[2] == "cpu"]
    if architecture == "x86":
        values = [_x86_values(section) for section in cpus]
        for number, held in enumerate(values):
            yield note("<", "CORE", _NT_PRSTATUS, _x86_prstatus(held, number))
        for held in values:
            yield note("<", "QEMU", 0, _x86_state(held))
    elif architecture == "aarch64":
        for number, section in enumerate(cpus):
            with suppress(VMStateError, TypeError, struct.error):
                yield note("<", "CORE", _NT_PRSTATUS, _arm_prstatus(section, number))


_Registers = dict[str, Any]
_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
_NO_SEGMENT = {"selector": 0, "base": 0, "limit": 0, "flags": 0}


def _x86_values(section: Section) -> _Registers:
    """Registers by name, and segments; 0 for what the section has not."""
    held: _Registers = dict.fromkeys((*_GENERAL, *(f"r{number}" for number in range(8, 16)), "rip", "rflags"), 0)

    def value(path: str, otherwise: Any) -> Any:
        try:
            return resolve(section.state, f"env.{path}")[1]
        except VMStateError:
            return otherwise

    registers = value("regs", ())
    for number, content in enumerate(registers):
        held[_GENERAL[number] if number < 8 else f"r{number}"] = int(content)
    held["rip"], held["rflags"] = int(value("eip", 0)), int(value("eflags", 0))
    segments = value("segs", ())
    for number, name in enumerate(_SEGMENTS):
        held[name] = segments[number] if number < len(segments) else _NO_SEGMENT
    for name in ("ldt", "tr", "gdt", "idt"):
        held[name] = value(name, _NO_SEGMENT)
    for number in range(5):
        held[f"cr{number}"] = int(value(f"cr[{number}]", 0))
    held["kernel_gs_base"] = int(value("kernelgsbase", 0))
    return held


def _of_segment(segment: Any, name: str) -> int:
    try:
        return int(resolve(segment, name)[1])
    except (VMStateError, TypeError, ValueError):
        return 0


_USER_REGS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8"),
    *("rax", "rcx", "rdx", "rsi", "rdi"),
)


def _x86_prstatus(held: _Registers, number: int) -> bytes:
    regs = [held[name] for name in _USER_REGS]
    # No system call is under way.
    regs += [0, held["rip"], _of_segment(held["cs"], "selector"), held["rflags"], held["rsp"]]
    regs += [_of_segment(held["ss"], "selector"), _of_segment(held["fs"], "base"), _of_segment(held["gs"], "base")]
    regs += [_of_segment(held[name], "selector") for name in ("ds", "es", "fs", "gs")]
    body = struct.pack("<32xI76x27Q", number + 1, *(value & (1 << 64) - 1 for value in regs))
    return body.ljust(_X86_PRSTATUS, b"\0")


def _x86_state(held: _Registers) -> bytes:
    names = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", *(f"r{number}" for number in range(8, 16)))
    body = struct.pack("<II18Q", 1, 440, *(held[name] & (1 << 64) - 1 for name in (*names, "rip", "rflags")))
    for name in ("cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt"):
        selector, limit, flags, base = (
            _of_segment(held[name], field) for field in ("selector", "limit", "flags", "base")
        )
        body += struct.pack("<IIIIQ", selector & 0xFFFF_FFFF, limit & 0xFFFF_FFFF, flags & 0xFFFF_FFFF, 0, base)
    return body + struct.pack("<6Q", *(held[f"cr{number}"] for number in range(5)), held["kernel_gs_base"])


def _arm_prstatus(section: Section, number: int) -> bytes:
    registers = [int(value) for value in resolve(section.state, "env.xregs")[1]]
    counter = int(resolve(section.state, "env.pc")[1])
    status = 0
    with suppress(VMStateError, TypeError, ValueError):
        status = int(resolve(section.state, "cpsr")[1])
    body = struct.pack("<32xI76x34Q", number + 1, *registers[:31], registers[31], counter, status)
    return body.ljust(_ARM_PRSTATUS, b"\0")
