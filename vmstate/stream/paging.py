"""Virtual addresses: the page tables in guest memory, walked as the processor does.

x86: 4 and 5 levels, PAE and two levels of 32 bits (Intel's manual, volume 3, chapter 5). aarch64: granules of 4, 16
and 64 KiB with addresses of up to 48 bits (Arm's manual, D8). What a section "cpu" says of its control registers is as
QEMU's target/i386/machine.c and target/arm/machine.c save it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vmstate.errors import PathError, StreamError, VMStateError
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.path import resolve

if TYPE_CHECKING:
    from vmstate.stream.memory import GuestMemory
    from vmstate.stream.stream import Section, Stream

CPU = "cpu"
"""The last part of the idstr of a processor's section."""

CR0_PG = 1 << 31
CR4_PSE = 1 << 4
CR4_PAE = 1 << 5
CR4_LA57 = 1 << 12
EFER_LMA = 1 << 10

PRESENT = 1
LARGE = 1 << 7
FRAME = 0x000F_FFFF_FFFF_F000

_REGISTER = 0x6030_0000_0013_0000
"""What the numbers of aarch64's system registers begin with, as KVM and QEMU have them."""
SCTLR_EL1 = _REGISTER | 0xC080
TTBR0_EL1 = _REGISTER | 0xC100
TTBR1_EL1 = _REGISTER | 0xC101
TCR_EL1 = _REGISTER | 0xC102

_GRANULE_0 = {0: 12, 1: 16, 2: 14}
_GRANULE_1 = {1: 14, 2: 12, 3: 16}


class Level(NamedTuple):
    """A level of tables: which bits of an address number the entry, bytes in one, and whether it can be a page."""

    shift: int
    bits: int
    entry_size: int
    may_be_page: bool


class Paging:
    """Page tables from `root` on."""

    def __init__(self, memory: GuestMemory, root: int, levels: tuple[Level, ...]) -> None:
        self._memory = memory
        self._root = root
        self._levels = levels

    def translate(self, address: int) -> int:
        """The guest physical address. Raises `StreamError` where the guest has nothing there."""
        return self._walk(address)[0]

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from a virtual address on."""
        pieces = []
        while size > 0:
            physical, page = self._walk(address)
            taken = min(size, page - address % page)
            pieces.append(self._memory.read(physical, taken))
            address += taken
            size -= taken
        return b"".join(pieces)

    def _walk(self, address: int) -> tuple[int, int]:
        """The physical address, and the size of the page that it is in."""
        raise NotImplementedError

    def _entry(self, table: int, level: Level, address: int) -> int:
        number = address >> level.shift & (1 << level.bits) - 1
        return int.from_bytes(self._memory.read(table + number * level.entry_size, level.entry_size), "little")

    def _nothing(self, address: int, level: Level) -> StreamError:
        expected = f"an entry of the table for bits from {level.shift} on"
        return StreamError(f"the guest has nothing at virtual address {address:#x}", expected=expected)


class NoPaging(Paging):
    """A processor that has not turned paging on."""

    def _walk(self, address: int) -> tuple[int, int]:
        return address, 1 << 12


class X86Paging(Paging):
    """The tables of x86."""

    def _walk(self, address: int) -> tuple[int, int]:
        table = self._root
        for level in self._levels:
            entry = self._entry(table, level, address)
            if not entry & PRESENT:
                raise self._nothing(address, level)
            is_last = level is self._levels[-1]
            if is_last or (level.may_be_page and entry & LARGE):
                size = 1 << level.shift
                frame = entry & FRAME
                if level.entry_size == 4 and not is_last:
                    # Pages of 4 MiB have higher bits of their address in lower bits of the entry.
                    frame = entry & 0xFFC0_0000 | (entry >> 13 & 0xFF) << 32
                return (frame & -size) | address & size - 1, size
            table = entry & (FRAME if level.entry_size == 8 else 0xFFFF_F000)
        raise self._nothing(address, self._levels[-1])


class ArmPaging(Paging):
    """The tables of aarch64."""

    def _walk(self, address: int) -> tuple[int, int]:
        granule = self._levels[-1].shift
        mask = (1 << 48) - (1 << granule)
        table = self._root
        for level in self._levels:
            entry = self._entry(table, level, address)
            is_last = level is self._levels[-1]
            if not entry & 1 or (is_last and not entry & 2):
                raise self._nothing(address, level)
            if is_last or not entry & 2:
                size = 1 << level.shift
                return (entry & mask & -size) | address & size - 1, size
            table = entry & mask
        raise self._nothing(address, self._levels[-1])


def paging_of(stream: Stream, memory: GuestMemory, root: int | str, address: int) -> Paging:
    """The tables by which a processor finds an address.

    `root` is what CR3 or TTBR holds, with the modes of the first processor, or the name of a section "cpu", as
    "cpu#1". Raises `VMStateError` where the stream has no such section, or it is of another architecture.
    """
    section = _cpu(stream, root if isinstance(root, str) else None)
    number = root if isinstance(root, int) else None
    try:
        control = {name: int(_value(section, f"env.{name}")) for name in ("cr[0]", "cr[3]", "cr[4]")}
    except PathError:
        return _arm_paging(memory, section, number, address)
    efer = 0
    with suppress(PathError):  # one of 32 bits has none
        efer = int(_value(section, "env.efer"))
    return _x86_paging(memory, control["cr[3]"] if number is None else number, control, efer)


def _value(section: Section, path: str) -> Any:
    return resolve(section.state, path)[1]


def _cpu(stream: Stream, name: str | None) -> Section:
    if name is not None:
        return stream[name]
    for section in stream.sections:
        if section.name.rpartition("/")[2] == CPU:
            return section
    raise StreamError("the stream has no processor whose tables could be walked", file=stream.name)


def _x86_paging(memory: GuestMemory, root: int, control: dict[str, int], efer: int) -> Paging:
    cr0, cr4 = control["cr[0]"], control["cr[4]"]
    if not cr0 & CR0_PG:
        return NoPaging(memory, 0, ())
    if efer & EFER_LMA:
        levels = [Level(39, 9, 8, False), Level(30, 9, 8, True), Level(21, 9, 8, True), Level(12, 9, 8, True)]
        if cr4 & CR4_LA57:
            levels.insert(0, Level(48, 9, 8, False))
        return X86Paging(memory, root & FRAME, tuple(levels))
    if cr4 & CR4_PAE:
        levels = [Level(30, 2, 8, False), Level(21, 9, 8, True), Level(12, 9, 8, True)]
        return X86Paging(memory, root & 0xFFFF_FFE0, tuple(levels))
    levels = [Level(22, 10, 4, bool(cr4 & CR4_PSE)), Level(12, 10, 4, True)]
    return X86Paging(memory, root & 0xFFFF_F000, tuple(levels))


def _arm_paging(memory: GuestMemory, section: Section, root: int | None, address: int) -> Paging:
    try:
        indexes, values = _value(section, "cpreg_vmstate_indexes"), _value(section, "cpreg_vmstate_values")
    except VMStateError:
        raise StreamError(
            "page tables are walked of x86 and aarch64 alone", section=section.name, found="another processor"
        ) from None
    registers = dict(zip(map(int, indexes), map(int, values), strict=False))
    if TCR_EL1 not in registers:
        raise StreamError("the processor has no 64-bit page tables", section=section.name, expected="TCR_EL1")
    if not registers.get(SCTLR_EL1, 0) & 1:
        return NoPaging(memory, 0, ())
    control = registers[TCR_EL1]
    upper = bool(address >> 55 & 1)
    size = control >> (16 if upper else 0) & 0x3F
    granules, field = (_GRANULE_1, control >> 30 & 3) if upper else (_GRANULE_0, control >> 14 & 3)
    table = root if root is not None else registers.get(TTBR1_EL1 if upper else TTBR0_EL1, 0)
    if field not in granules or not 16 <= size <= 48:
        raise StreamError("impossible translation control", section=section.name, found=f"{control:#x}")
    granule, bits = granules[field], 64 - size
    per_level = granule - 3
    levels: list[Level] = []
    shift = granule
    while shift < bits:
        levels.insert(0, Level(shift, min(per_level, bits - shift), 8, True))
        shift += per_level
    return ArmPaging(memory, table & (1 << 48) - (1 << 5) & ~0xFFF_0000_0000_0000, tuple(levels))
