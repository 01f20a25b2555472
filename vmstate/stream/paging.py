"""Virtual addresses: the page tables in guest memory, walked as the processor does.

x86: 4 and 5 levels, PAE and two levels of 32 bits (Intel's manual, volume 3, chapter 5). aarch64: granules of 4, 16
and 64 KiB with addresses of up to 52 bits, at EL1 (Arm's manual, D8). What a section "cpu" says of its control
registers is as QEMU's target/i386/machine.c and target/arm/machine.c save it.
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
_EPD0, _EPD1 = 7, 23
"""The bits of TCR by which a half of the addresses is turned off."""
_TBI0, _TBI1 = 37, 38
"""The bits by which the highest byte of an address means nothing."""
_DS = 59
"""The bit by which granules of 4 and 16 KiB have addresses of 52 bits."""
_IPS, _IPS_52 = 32, 6
"""Where the size of physical addresses stands, and what it is for 52 bits."""
_BLOCK_LEVELS = {12: (21, 30), 14: (25,), 16: (29,)}
"""Where an entry can be a block, by the granule."""
_WIDE_BLOCK_LEVELS = {12: (21, 30, 39), 14: (25, 36), 16: (29, 42)}
"""The same with addresses of 52 bits."""


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
    """The tables of x86. Addresses have `width` bits; of wider ones the bits above are those of the highest."""

    def __init__(self, memory: GuestMemory, root: int, levels: tuple[Level, ...], width: int) -> None:
        super().__init__(memory, root, levels)
        self._width = width

    def _walk(self, address: int) -> tuple[int, int]:
        top = address >> self._width - 1
        if top not in ((0, 1) if self._width == 32 else (0, (1 << 65 - self._width) - 1)):
            raise StreamError(f"the guest has nothing at virtual address {address:#x}", expected="a canonical address")
        table = self._root
        for level in self._levels:
            entry = self._entry(table, level, address)
            if not entry & PRESENT:
                raise self._nothing(address, level)
            is_last = level is self._levels[-1]
            if is_last or (level.may_be_page and entry & LARGE):
                size = 1 << level.shift
                frame = entry & FRAME if level.entry_size == 8 else entry & 0xFFFF_F000
                if level.entry_size == 4 and not is_last:
                    # Pages of 4 MiB have higher bits of their address in lower bits of the entry.
                    frame = entry & 0xFFC0_0000 | (entry >> 13 & 0xFF) << 32
                return (frame & -size) | address & size - 1, size
            table = entry & (FRAME if level.entry_size == 8 else 0xFFFF_F000)
        raise self._nothing(address, self._levels[-1])


class ArmPaging(Paging):
    """The tables of aarch64; with `is_wide` physical addresses have 52 bits."""

    def __init__(self, memory: GuestMemory, root: int, levels: tuple[Level, ...], is_wide: bool) -> None:
        super().__init__(memory, root, levels)
        self._is_wide = is_wide

    def _walk(self, address: int) -> tuple[int, int]:
        table = self._root
        for level in self._levels:
            entry = self._entry(table, level, address)
            is_last = level is self._levels[-1]
            if not entry & 1 or (is_last and not entry & 2):
                raise self._nothing(address, level)
            if is_last or not entry & 2:
                if not level.may_be_page:
                    raise self._nothing(address, level)
                size = 1 << level.shift
                return (self._output(entry) & -size) | address & size - 1, size
            table = self._output(entry)
        raise self._nothing(address, self._levels[-1])

    def _output(self, entry: int) -> int:
        """The address in an entry; of 52 bits the highest stand where lower ones have none."""
        granule = self._levels[-1].shift
        if not self._is_wide:
            return entry & (1 << 48) - (1 << granule)
        if granule == 16:
            return entry & (1 << 48) - (1 << granule) | (entry >> 12 & 0xF) << 48
        return entry & (1 << 50) - (1 << granule) | (entry >> 8 & 3) << 50


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
    return x86_paging(memory, control["cr[3]"] if number is None else number, control, efer)


def _value(section: Section, path: str) -> Any:
    return resolve(section.state, path)[1]


def _cpu(stream: Stream, name: str | None) -> Section:
    if name is not None:
        return stream[name]
    for section in stream.sections:
        if section.name.rpartition("/")[2] == CPU:
            return section
    raise StreamError("the stream has no processor whose tables could be walked", file=stream.name)


def x86_paging(memory: GuestMemory, root: int, control: dict[str, int], efer: int) -> Paging:
    """The tables of an x86 processor from what CR3 holds on; `control` has "cr[0]" and "cr[4]"."""
    cr0, cr4 = control["cr[0]"], control["cr[4]"]
    if not cr0 & CR0_PG:
        return NoPaging(memory, 0, ())
    if efer & EFER_LMA:
        levels = [Level(39, 9, 8, False), Level(30, 9, 8, True), Level(21, 9, 8, True), Level(12, 9, 8, True)]
        if cr4 & CR4_LA57:
            levels.insert(0, Level(48, 9, 8, False))
        return X86Paging(memory, root & FRAME, tuple(levels), 12 + 9 * len(levels))
    if cr4 & CR4_PAE:
        levels = [Level(30, 2, 8, False), Level(21, 9, 8, True), Level(12, 9, 8, True)]
        return X86Paging(memory, root & 0xFFFF_FFE0, tuple(levels), 32)
    levels = [Level(22, 10, 4, bool(cr4 & CR4_PSE)), Level(12, 10, 4, True)]
    return X86Paging(memory, root & 0xFFFF_F000, tuple(levels), 32)


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
    try:
        return arm_paging(memory, registers, root, address)
    except StreamError as error:
        raise error.within(section=section.name) from None


def arm_paging(memory: GuestMemory, registers: dict[int, int], root: int | None, address: int) -> Paging:
    """The tables by which an aarch64 processor finds an address at EL1, from its TTBR, or `root` in its place, on.

    `registers` has system registers by the numbers of KVM. Raises `StreamError` where the address is in none of the two
    halves that the processor has, or that half is turned off.
    """
    if not registers.get(SCTLR_EL1, 0) & 1:
        return NoPaging(memory, 0, ())
    control = registers[TCR_EL1]
    upper = bool(address >> 55 & 1)
    size = control >> (16 if upper else 0) & 0x3F
    granules, field = (_GRANULE_1, control >> 30 & 3) if upper else (_GRANULE_0, control >> 14 & 3)
    table = root if root is not None else registers.get(TTBR1_EL1 if upper else TTBR0_EL1, 0)
    is_wide_small = bool(control >> _DS & 1)
    if field not in granules or not 12 <= size <= 48:
        raise StreamError("impossible translation control", found=f"{control:#x}")
    granule, bits = granules[field], 64 - size
    is_wide = is_wide_small if granule < 16 else control >> _IPS & 7 == _IPS_52
    has_tags = control >> (_TBI1 if upper else _TBI0) & 1
    above = address >> bits & (1 << (56 if has_tags else 64) - bits) - 1
    if control >> (_EPD1 if upper else _EPD0) & 1 or above not in (0, (1 << (56 if has_tags else 64) - bits) - 1):
        raise StreamError(f"the guest has nothing at virtual address {address:#x}", expected=f"{bits} bits of address")
    blocks = (_WIDE_BLOCK_LEVELS if is_wide else _BLOCK_LEVELS)[granule]
    levels: list[Level] = []
    shift = granule
    while shift < bits:
        levels.insert(0, Level(shift, min(granule - 3, bits - shift), 8, shift == granule or shift in blocks))
        shift += granule - 3
    base = table & (1 << 48) - (1 << max(6, levels[0].bits + 3))
    if is_wide:
        base |= (table >> 2 & 0xF) << 48
    return ArmPaging(memory, base, tuple(levels), is_wide)
