"""`vmstate ram`: the guest's memory, out of whatever the machine is kept in."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from vmstate.cli.outputs import output
from vmstate.cli.words import counted
from vmstate.errors import StreamError, VMStateError, one_line
from vmstate.files import PIECE, reported, size_text, write_atomic
from vmstate.saved.memory import load_by_index, load_for_memory, modules_of, write_index
from vmstate.saved.parts import split
from vmstate.stream.memory import GuestMemory
from vmstate.stream.memory_pages import MISSING
from vmstate.stream.ram_records import RamBlock
from vmstate.stream.stream import Stream

HELD = 16 << 20
"""Bytes of a file that are held in memory while sums are made."""

ROW = 16
PROGRESS_EVERY = 0.5
SPANS = 8
"""Places of missing pages that are named."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", help="the stream, save image or disk image (FILE@SNAPSHOT)")
    parser.add_argument(
        "what",
        metavar="map | read ADDR LEN",
        nargs="*",
        help="map: where memory stands (the default); read: LEN bytes from the address ADDR on",
    )
    parser.add_argument("-o", "--output", metavar="OUT", type=output, help="all memory into a file; of read the bytes")
    parser.add_argument("--format", choices=("raw", "elf", "lime", "json"), help="of OUT (raw); json: of map")
    parser.add_argument(
        "--virtual", metavar="CPU", help="ADDR is virtual: by the tables of that section, or CR3's value"
    )
    parser.add_argument(
        "--memory", metavar="ID=FILE", action="append", default=[], help="the file of a block that is shared memory"
    )
    parser.add_argument(
        "--at", metavar="ID=ADDR", action="append", default=[], help="where a memory module (pc-dimm) stands"
    )
    parser.add_argument(
        "--index",
        metavar="INDEX",
        help="an index of the pages of FILE: made where there is no such file, else used, and FILE is not read through",
    )
    parser.add_argument("--sync", action="store_true", help="wait until OUT is on disk")
    parser.add_argument("--hash", action="store_true", help="the sha256 of file, stream and memory")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the map, read, or write all of it."""
    what = options.what or ([] if options.output else ["map"])
    files, placed = _pairs(options.memory, "--memory"), {}
    for name, text in _pairs(options.at, "--at").items():
        placed[name] = number(text, "an address")
    if options.index in ("", "-"):
        raise VMStateError("an index is a file", expected="its name", found=repr(options.index))
    if options.output:
        from vmstate.qemu.provenance import refuse_itself

        for read_from in (options.file, *(options.channel or ()), *files.values()):
            refuse_itself(read_from, options.output)
        if options.index is not None and os.path.realpath(options.index) == os.path.realpath(options.output):
            raise VMStateError("the index and OUT are two files", file=options.output)
    with loaded(options) as stream:
        try:
            of_blocks(stream, files, "--memory")
            of_blocks(stream, placed, "--at")
            modules = modules_of(stream)
            refuse_held(stream, files)
            for block in stream.ram.blocks:
                if block.idstr in files:
                    refuse_small(files[block.idstr], block)
            memory = stream.memory(files=files, placed={**modules, **placed})
            refuse_misplaced(memory, placed)
            if options.index is not None and not os.path.lexists(options.index):
                told = {**modules, **placed}
                # What stands in files of its own is none of the stream.
                write_index(stream, stream.memory(placed=told) if files else memory, options.index, told)
            code = tell_lacking(stream)
            code = max(code, tell_hashes(options.file, stream, memory)) if options.hash else code
            if what[:1] == ["map"] and len(what) == 1:
                if options.output:
                    raise VMStateError("a map is shown, and not written", expected="map, or -o OUT", found="both")
                return max(code, show_map(stream, memory, options.format))
            if what[:1] == ["read"] and len(what) == 3:
                return max(code, read(memory, options, what[1], what[2]))
            if what or not options.output:
                raise VMStateError("what to do with the memory", expected="map, read ADDR LEN, or -o OUT")
            return max(code, write(stream, memory, options))
        except VMStateError as error:
            raise error.within(file=stream.name) from None


def loaded(options: argparse.Namespace) -> Stream:
    """The stream, by its index where there is one. Raises `VMStateError`."""
    if options.index is None or not os.path.lexists(options.index):
        return load_for_memory(options.file)
    stream = load_by_index(options.file, options.index)
    if not options.output or options.format != "elf":
        return stream
    # An ELF file has the registers of the processors, which stand behind memory.
    stream.close()
    return load_for_memory(options.file)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, separator, value = text.rpartition("=")
        if not separator or not name or not value:
            raise VMStateError(f"what is behind {option} has two halves", expected="ID=...", found=text)
        pairs[name] = value
    return pairs


def of_blocks(stream: Stream, options: Iterable[str], option: str) -> None:
    """Refuse what is told of a block that the stream does not have."""
    known = [block.idstr for block in stream.ram.blocks]
    for name in options:
        if name not in known:
            raise VMStateError(
                f"{option} is for a block of the stream", expected=", ".join(map(repr, known)) or None, found=repr(name)
            )


def refuse_small(path: str, block: RamBlock) -> None:
    """Refuse a file that cannot be the memory of a block. Raises `StreamError`."""
    with reported(path, "the memory file cannot be read: "), open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
    if size < block.used_length:
        raise StreamError(
            f"is no file of {block.idstr}", file=path, expected=f"at least {block.used_length} bytes", found=str(size)
        )


def refuse_held(stream: Stream, files: Iterable[str]) -> None:
    """Refuse a file for a block whose memory is in the stream itself."""
    memory = stream.memory()
    for name in files:
        if any(run.kind != MISSING for run in memory.block(name).runs(0, memory.block(name).count)):
            raise VMStateError(
                "--memory is for memory that the stream leaves out (x-ignore-shared), and it holds this block",
                found=repr(name),
            )


def refuse_misplaced(memory: GuestMemory, placed: Iterable[str]) -> None:
    """Refuse a place for what is no memory, and one where there is other memory."""
    ranges = sorted(memory.ranges, key=lambda each: each.address)
    for name in placed:
        if all(each.block != name for each in ranges):
            raise VMStateError("--at is for memory of the machine, and this block is none", found=repr(name))
    for first, second in pairwise(ranges):
        if first.address + first.size > second.address and {first.block, second.block} & set(placed):
            raise VMStateError(
                f"--at puts {first.block!r} and {second.block!r} over each other", found=f"{second.address:#x}"
            )


def number(text: str, what: str) -> int:
    """A number in any base that Python writes, with K, M, G behind it or not."""
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    factor = factors.get(text[-1:].upper(), 1)
    try:
        value = int(text if factor == 1 else text[:-1], 0) * factor
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise VMStateError(f"{what} is needed", expected="a number, as 0x1000 or 4K", found=text)
    return value


def show_map(stream: Stream, memory: GuestMemory, form: str | None) -> int:
    """Where memory stands."""
    from vmstate.saved.ram_out import left_out

    known = memory.map
    if form not in (None, "json"):
        raise VMStateError(f"the format {form} is that of a file with all memory", expected="-o OUT")
    if form == "json":
        ranges = [each.as_dict() for each in known.ranges]
        facts = {"file": stream.name, "source": known.source, "page_size": memory.page_size, "ranges": ranges}
        print(
            json.dumps(
                {
                    **facts,
                    "unplaced": list(known.unplaced),
                    "not_ram": list(known.others),
                    "left_out": left_out(stream, memory),
                }
            )
        )
        return 0
    print(f"{one_line(str(stream.name))}: memory of {one_line(stream.machine or 'a machine without a name')}")
    print(f"  known by      {known.source}")
    for each in known.ranges:
        last = each.address + each.size - 1
        of_block = one_line(each.block) + (f" from {each.offset:#x}" if each.offset else "")
        print(f"  {each.address:#14x} to {last:#14x}  {size_text(each.size):>10}  {of_block}")
    for name in left_out(stream, memory):
        print(
            f"  {'not in the stream':>32}  {size_text(size_of(stream, name)):>10}  {one_line(name)} (--memory ID=FILE)"
        )
    for name in known.unplaced:
        print(f"  {'not known where':>32}  {size_text(size_of(stream, name)):>10}  {one_line(name)} (--at ID=ADDR)")
    for name in known.others:
        print(f"  {'not RAM':>32}  {size_text(size_of(stream, name)):>10}  {one_line(name)}")
    return 0


def size_of(stream: Stream, name: str) -> int:
    """The bytes of a block."""
    return next((block.used_length for block in stream.ram.blocks if block.idstr == name), 0)


def read(memory: GuestMemory, options: argparse.Namespace, address_text: str, length_text: str) -> int:
    """Some bytes of memory, for a reader or into a file."""
    address, length = number(address_text, "an address"), number(length_text, "a length")
    most = sum(each.size for each in memory.ranges)
    if length > most:
        raise VMStateError("more bytes than the machine has", expected=f"at most {most}", found=str(length))
    if options.virtual is None:
        data = memory.read(address, length)
    else:
        root = number(options.virtual, "what CR3 holds") if options.virtual[:1].isdigit() else options.virtual
        data = memory.read_virtual(root, address, length)
    if options.output == "-":
        sys.stdout.buffer.write(data)
    elif options.output:
        write_atomic(options.output, [data])
    else:
        for at in range(0, len(data), ROW):
            row = data[at : at + ROW]
            shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            print(f"{address + at:#014x}  {row.hex(' '):<{3 * ROW - 1}}  {shown}".rstrip())
    return 0


def write(stream: Stream, memory: GuestMemory, options: argparse.Namespace) -> int:
    """All of it into a file."""
    from vmstate import __version__
    from vmstate.saved.ram_out import FORMS, write_ram

    form = options.format or "raw"
    if form not in FORMS:
        raise VMStateError("memory is written in other forms", expected=", ".join(FORMS), found=form)
    if options.output == "-":
        raise VMStateError("memory is written here and there", expected="the name of a file", found="-")
    total = sum(each.size for each in memory.ranges)
    writer = f"vmstate {__version__}"
    written = write_ram(stream, memory, options.output, form, progress(total), writer=writer, sync=options.sync)
    text = (
        f"{size_text(written.memory)} of memory in {counted(len(memory.ranges), 'range')}, known by {memory.map.source}"
    )
    if written.vmcoreinfo is not None:
        text += f"; VMCOREINFO at {written.vmcoreinfo:#x}"
    print(f"{one_line(options.output)}: {form}, {text}")
    for name in memory.map.unplaced:
        print(f"note: {one_line(name)} is not in it: it is not known where it stands (--at ID=ADDR)", file=sys.stderr)
    return tell_missing(stream, memory, written.missing)


def tell_missing(stream: Stream, memory: GuestMemory, spans: Sequence[tuple[int, int]]) -> int:
    """Say which memory, as (address, size), is not there; returns the exit code."""
    missing = sum(size for _, size in spans) // memory.page_size
    if not missing:
        return 0
    are = "is" if missing == 1 else "are"
    print(
        f"vmstate: {one_line(str(stream.name))}: {counted(missing, 'page')} {are} not in what was given, "
        f"{spans_text(spans)}: zeros stand there{channels_missing(stream)}",
        file=sys.stderr,
    )
    return 1


def tell_lacking(stream: Stream) -> int:
    """Say what of the further channels was not given, so that older pages can stand in place; returns the exit code."""
    lacking = [channel.lacks for channel in stream.channels if channel.lacks]
    for text in lacking:
        print(f"vmstate: {one_line(f'{stream.name}: {text}: pages can be older ones')}", file=sys.stderr)
    return 1 if lacking else 0


def spans_text(spans: Iterable[tuple[int, int]]) -> str:
    """Where what is missing would stand, the first spans of it; those that touch are told as one."""
    joined: list[list[int]] = []
    for start, size in spans:
        if joined and joined[-1][1] == start:
            joined[-1][1] += size
        else:
            joined.append([start, start + size])
    text = ", ".join(f"{start:#x} to {end - 1:#x}" for start, end in joined[:SPANS])
    return f"at {text}" + (f" and in {counted(len(joined) - SPANS, 'more place')}" if len(joined) > SPANS else "")


def channels_missing(stream: Stream) -> str:
    """What may have the pages that are missing."""
    if stream.cut is not None:
        return " (the stream breaks off before them)"
    if "multifd flush" in stream.ram.firsts:
        return " (a multifd migration has them in further channels)"
    if stream.is_postcopy and not stream.channels:
        return " (postcopy's preempt channel or a recovery has them: --channel)"
    shared = any(block.gpa is not None for block in stream.ram.blocks)
    return " (memory that is shared has a file of its own: --memory ID=FILE)" if shared else ""


def progress(total: int) -> Callable[[int], None] | None:
    """A line on a terminal that says how far it is."""
    if not sys.stderr.isatty() or total < 1 << 28:
        return None
    last = time.monotonic()

    def tell(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > PROGRESS_EVERY or done >= total:
            last = now
            print(f"\r{100 * done // total:3} %", end="\n" if done >= total else "", file=sys.stderr)

    return tell


def tell_hashes(file: str, stream: Stream, memory: GuestMemory) -> int:
    """The sums of file, stream and memory; returns the exit code, as zeros stand for pages that are missing."""
    from vmstate.saved.ram_out import refuse_left_out

    path, _ = split(file)
    if path and os.path.isfile(path):
        with open(path, "rb") as opened:
            print(f"sha256 {hashlib.file_digest(opened, 'sha256').hexdigest()}  {one_line(path)}")
    source, digest = stream.input, hashlib.sha256()
    if source is not None:
        for at in range(0, len(source.data), PIECE):
            digest.update(source.data[at : at + PIECE])
            source.release(at, at + PIECE)
        print(f"sha256 {digest.hexdigest()}  the stream")
    refuse_left_out(stream, memory)
    digest, missing, zeros, held = hashlib.sha256(), [], bytes(PIECE), 0
    for each in memory.ranges:
        for run in memory.runs(each):
            if run.kind == MISSING:
                at = each.address - each.offset + run.first * memory.page_size
                missing.append((at, run.length * memory.page_size))
            for view in run.views:
                digest.update(view)
                held += len(view)
                if source is not None and held >= HELD:
                    source.release(0, len(source.data))
                    held = 0
            size = 0 if run.views else run.length * memory.page_size
            for at in range(0, size, PIECE):
                digest.update(zeros[: size - at])
    print(f"sha256 {digest.hexdigest()}  the memory, range by range")
    return tell_missing(stream, memory, missing)
