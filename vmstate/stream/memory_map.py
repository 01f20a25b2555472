"""Where a machine has its memory: which RAM blocks stand at which guest physical addresses.

A stream has no such table. On a PC the clock's CMOS tells how much memory stands below 4 GiB and how much above
(hw/i386/pc.c), whatever the machine's options were; the guest can change it, so it counts only where it agrees with the
sizes of the blocks. A node's memory is put in order by the SRAT among the ACPI tables. Everywhere else, and where the
CMOS is of no use, it is a fact of the machine type: hw/i386/pc_piix.c, pc_q35.c, microvm.c, hw/arm/virt.c, hw/riscv/
virt.c, hw/s390x/s390-virtio-ccw.c, hw/ppc/spapr.c. A virtio-mem device says in its early section where it is. Where a
module stands that was plugged in (pc-dimm), nothing in a stream says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING

from vmstate.errors import VMStateError
from vmstate.stream.ram_records import RamBlock
from vmstate.vmsd.data import Value
from vmstate.vmsd.path import resolve

if TYPE_CHECKING:
    from vmstate.stream.stream import Stream

MACHINE_RAM = (
    "pc.ram",
    "microvm.ram",
    "mach-virt.ram",
    "s390.ram",
    "ram",
    "ppc_spapr.ram",
    "ppc_heathrow.ram",
    "riscv_virt_board.ram",
)
"""The names of the block that is the machine's memory; one that `-object memory-backend-*` made has its id, or, up to
machine types of 4.0, /objects/ID."""

KNOWN_MACHINES = ("pc", "q35", "microvm", "s390-ccw-virtio")
"""How the names of machine types begin that no other target has, and whose memory stands as it is told here."""

PCS = ("pc", "q35", "microvm", "isapc")
"""How the names of machine types begin that have a PC's CMOS."""

NO_RAM = ("/rom@", "pc.bios", "pc.rom", "isa-bios", "system.flash", "virt.flash", "vga.", "vmbios")
"""How the names of blocks begin that are no memory of the machine."""
NO_RAM_ENDS = (".rom", ".vram", ".bios", "/vga.vram", ".flash0", ".flash1", "qxl.vgavram", "vgamem")

GIB = 1 << 30
ARM_VIRT_RAM = GIB
"""Where the virt machine of Arm has its memory."""
RISCV_VIRT_RAM = 2 * GIB
ABOVE = 4 * GIB
"""Where a PC's memory goes on that does not fit below the devices."""
ABOVE_AMD = 1 << 40
"""Where it goes on with a processor of AMD, where it would reach the addresses that those have for other things."""
HYPERTRANSPORT = 0xFD_0000_0000

MOST_NODES = 12
"""Blocks of which every combination is tried, to find those that make up a PC's memory."""

SMALLEST_RAM = 1 << 20
"""Bytes of the smallest block that is taken for a machine's memory whatever it is called."""

ACPI_TABLES = ("/rom@etc/acpi/tables", "etc/acpi/tables")
MOST_ACPI_TABLES = 2 << 20
"""Bytes of them at most, in QEMU."""


class MemoryRange(Value):
    """`size` bytes from guest physical address `address` on are those of a block from `offset` on."""

    address: int
    size: int
    block: str
    offset: int


class MemoryMap(Value):
    """Where memory stands, in ranges by address; blocks that are memory and stand nowhere known (`unplaced`), those
    that are ROM or a device's (`others`); and how it is known: "cmos", "machine type" or "told".
    """

    ranges: tuple[MemoryRange, ...]
    unplaced: tuple[str, ...]
    others: tuple[str, ...]
    source: str


def is_ram(block: RamBlock) -> bool:
    """Whether a block can be memory of the machine, going by its name: not ROM, and not of a graphics card."""
    name = block.idstr
    return bool(block.used_length) and not name.startswith(NO_RAM) and not name.endswith(NO_RAM_ENDS)


def memory_map(
    stream: Stream,
    read: Callable[[RamBlock], bytes],
    placed: Mapping[str, int] | None = None,
    cmos: bytes | None = None,
) -> MemoryMap:
    """The map of the machine in a stream.

    `read` gives the content of a block, and is asked for that of the ACPI tables, where nodes have to be put in order.
    `placed` says where blocks stand that no stream tells of, by name. `cmos` is the clock's CMOS where the section is
    not among the stream's.
    """
    blocks = stream.ram.blocks
    rams = [block for block in blocks if is_ram(block)]
    others = tuple(dict.fromkeys(block.idstr for block in blocks if not is_ram(block)))
    plugged = _virtio_mem(stream)
    told: dict[str, list[_Stretch]] = {
        **plugged,
        **{name: [(address, 0, None)] for name, address in (placed or {}).items()},
    }
    main = [block for block in rams if block.idstr not in told]
    machine = stream.machine or ""
    ranges, source = None, "machine type"
    cmos = cmos or _cmos(stream) if machine.startswith(PCS) else None
    if cmos is not None:
        below, above = _sizes(cmos)
        system = _making_up(main, below + above)
        if system is not None:
            tables = next((block for block in blocks if block.idstr in ACPI_TABLES), None)
            nodes = _nodes(read(tables)) if tables is not None and len(system) > 1 else []
            start = ABOVE_AMD if ABOVE + above >= HYPERTRANSPORT and _names_1_tib(tables, read) else ABOVE
            ranges, source = list(_laid_out(_in_order(system, nodes), below, start)), "cmos"
            main = [block for block in main if block not in system]
    if ranges is None:
        ranges = ranges_of(stream.machine, main)
        taken = {memory_range.block for memory_range in ranges}
        main = [block for block in main if block.idstr not in taken]
    if not ranges and placed:
        source = "told"
    for block in rams:
        if block.idstr in told:
            for address, offset, size in told[block.idstr]:
                ranges.append(MemoryRange(address, size or block.used_length, block.idstr, offset))
    ranges.sort(key=lambda memory_range: memory_range.address)
    return MemoryMap(tuple(ranges), tuple(block.idstr for block in main), others, source)


# A PC's CMOS.


def _cmos(stream: Stream) -> bytes | None:
    try:
        contents = bytes(stream.find("mc146818rtc.cmos_data")[2])
    except (VMStateError, TypeError, ValueError):
        return None
    return contents if len(contents) >= 0x60 else None


def _sizes(cmos: bytes) -> tuple[int, int]:
    """Bytes of memory below 4 GiB and above."""
    large = cmos[0x34] | cmos[0x35] << 8
    small = cmos[0x30] | cmos[0x31] << 8
    below = (16 << 20) + (large << 16) if large else (1 << 20) + (small << 10)
    return below, (cmos[0x5B] | cmos[0x5C] << 8 | cmos[0x5D] << 16) << 16


def _making_up(blocks: Sequence[RamBlock], total: int) -> list[RamBlock] | None:
    """The blocks that are a PC's memory of so many bytes: one, else those of its nodes; None where none fit."""
    usual = [block for block in blocks if block.idstr in MACHINE_RAM]
    for block in (*usual, *blocks):
        if block.used_length == total:
            return [block]
    if usual or not 1 < len(blocks) <= MOST_NODES:
        return None
    for count in range(len(blocks), 1, -1):
        for chosen in combinations(blocks, count):
            if sum(block.used_length for block in chosen) == total:
                return list(chosen)
    return None


def _laid_out(blocks: Iterable[RamBlock], below: int, above: int) -> Iterator[MemoryRange]:
    """Blocks one behind the other, `below` bytes from 0 on and the rest from `above` on."""
    passed = 0
    for block in blocks:
        low = max(0, min(block.used_length, below - passed))
        if low:
            yield MemoryRange(passed, low, block.idstr, 0)
        if block.used_length > low:
            yield MemoryRange(above + passed + low - below, block.used_length - low, block.idstr, low)
        passed += block.used_length


# ACPI's SRAT, which says which addresses belong to which node, and MADT, which lists the processors that there can be.


def _entries(tables: bytes, signature: bytes, header: int) -> Iterator[tuple[int, bytes]]:
    """(kind, bytes) of each whole entry of a table behind its header."""
    at = tables.find(signature)
    if at < 0 or at + header > len(tables):
        return
    end = min(at + int.from_bytes(tables[at + 4 : at + 8], "little"), len(tables))
    at += header
    while at + 2 <= end and tables[at + 1] >= 2:
        if at + tables[at + 1] <= end:
            yield tables[at], tables[at : at + tables[at + 1]]
        at += tables[at + 1]


def _srat(tables: bytes) -> Iterator[tuple[int, int, int]]:
    """(node, address, size) of the memory that the SRAT names; not of the room for memory that may be plugged in."""
    for kind, entry in _entries(tables, b"SRAT", 48):
        if kind == 1 and len(entry) >= 40:
            node, base, size, flags = struct.unpack_from("<I2xQQ4xI", entry, 2)
            if flags & 1 and not flags & 2:
                yield node, base, size


def possible_processors(stream: Stream) -> int:
    """How many processors a PC can have by the MADT among its ACPI tables; 0 where the stream holds no such table."""
    for block in stream.ram.blocks:
        if block.idstr in ACPI_TABLES and block.used_length <= MOST_ACPI_TABLES:
            with suppress(VMStateError):
                tables = stream.memory().read_block(block.idstr)
                return sum(kind in (0, 9) for kind, _ in _entries(tables, b"APIC", 44))
    return 0


def _nodes(tables: bytes) -> list[int]:
    """The sizes of the nodes in bytes, by address."""
    sizes: dict[int, int] = {}
    end_of_node: dict[int, int] = {}
    for node, base, size in sorted(_srat(tables), key=lambda entry: entry[1]):
        # SRAT leaves out what stands between 640 KiB and 1 MiB, and it is memory all the same.
        hole = base - end_of_node[node] if base == 1 << 20 and node in end_of_node else 0
        sizes[node] = sizes.get(node, 0) + hole + size
        end_of_node[node] = base + size
    return list(sizes.values())


def _in_order(blocks: Sequence[RamBlock], nodes: Sequence[int]) -> list[RamBlock]:
    """The blocks in the order of the nodes that have their sizes; as they come where the tables do not say."""
    left = list(blocks)
    ordered = []
    for size in nodes:
        block = next((block for block in left if block.used_length == size), None)
        if block is None:
            return list(blocks)
        left.remove(block)
        ordered.append(block)
    return [*ordered, *left]


def _names_1_tib(tables: RamBlock | None, read: Callable[[RamBlock], bytes]) -> bool:
    return tables is not None and any(base == ABOVE_AMD for _, base, _ in _srat(read(tables)))


# Devices that have memory.


_Stretch = tuple[int, int, int | None]
"""Address, offset in a block, bytes; None for all of the block."""


def _virtio_mem(stream: Stream) -> dict[str, list[_Stretch]]:
    """Where each virtio-mem device has what is plugged of its block, by the block's name, as its early section says."""
    placed: dict[str, list[_Stretch]] = {}
    for section in stream.sections:
        device, _, name = section.name.rpartition("/")
        if name != "virtio-mem-device-early":
            continue
        try:
            address, size, step = (
                int(resolve(section.state, f"tmp.{field}")[1]) for field in ("addr", "region_size", "block_size")
            )
            plugged = resolve(section.state, "bitmap")[1]
        except (VMStateError, TypeError, ValueError):
            continue
        fits = [block for block in stream.ram.blocks if is_ram(block) and block.used_length == size]
        fits = [block for block in fits if block.idstr.startswith(f"{device}/")] or fits
        if len(fits) == 1 and isinstance(plugged, int) and step > 0:
            placed[fits[0].idstr] = list(_plugged(address, size, step, plugged))
    return placed


def _plugged(address: int, size: int, step: int, bits: int) -> Iterator[_Stretch]:
    """The stretches whose bits are set, one for each `step` bytes."""
    start: int | None = None
    for number in range(min(-(-size // step), bits.bit_length()) + 1):
        if bits >> number & 1 and number * step < size:
            start = number if start is None else start
        elif start is not None:
            yield address + start * step, start * step, min(number * step, size) - start * step
            start = None


# Machine types.


def ranges_of(machine: str | None, blocks: Iterable[RamBlock]) -> list[MemoryRange]:
    """Where a machine has its memory, as far as its type and the blocks tell: the largest block that can be it.

    With x-ignore-shared each block says where it is itself.
    """
    blocks = list(blocks)
    main = _possible_main_blocks(blocks)
    if not main:
        rams = [block for block in blocks if is_ram(block) and block.used_length >= SMALLEST_RAM]
        main = rams if len(rams) == 1 and rams[0].gpa is None else []
    if main:
        return _ranges_of_block(machine or "", max(main, key=lambda block: block.used_length))
    return [
        MemoryRange(block.gpa, block.used_length, block.idstr, 0)
        for block in blocks
        if block.gpa is not None and is_ram(block)
    ]


def known_ranges(machine: str | None, blocks: Iterable[RamBlock]) -> list[MemoryRange]:
    """The same where nothing is taken on trust; empty where the machine's layout is not known for sure.

    That is so for a machine type whose memory stands elsewhere or that others are called like, and where there are
    several blocks (nodes, modules that were plugged in), of which a stream does not say where they are.
    """
    main = _possible_main_blocks(blocks)
    if machine is None or len(main) != 1 or not main[0].used_length:
        return []
    is_known = machine.startswith(KNOWN_MACHINES) or (machine.startswith("virt") and main[0].idstr == "mach-virt.ram")
    return _ranges_of_block(machine, main[0]) if is_known else []


def _possible_main_blocks(blocks: Iterable[RamBlock]) -> list[RamBlock]:
    return [block for block in blocks if block.idstr in MACHINE_RAM or block.idstr.startswith("/objects/")]


def _ranges_of_block(machine: str, block: RamBlock) -> list[MemoryRange]:
    start, below = _layout(machine, block)
    low = min(below, block.used_length)
    ranges = [MemoryRange(start, low, block.idstr, 0)]
    if block.used_length > low:
        ranges.append(MemoryRange(ABOVE, block.used_length - low, block.idstr, low))
    return ranges


def _layout(machine: str, block: RamBlock) -> tuple[int, int]:
    """Where memory begins, and how much of it there is below 4 GiB."""
    size = block.used_length
    if block.idstr == "riscv_virt_board.ram":
        return RISCV_VIRT_RAM, size
    if machine.startswith("virt"):
        return ARM_VIRT_RAM, size
    if machine.startswith(("s390", "pseries", "g3beige", "powernv", "mac99")):
        return 0, size
    if "q35" in machine:
        return 0, 0x8000_0000 if size >= 0xB000_0000 else 0xB000_0000
    if machine.startswith("microvm"):
        return 0, 0xC000_0000
    return 0, 0xC000_0000 if size >= 0xE000_0000 else 0xE000_0000
