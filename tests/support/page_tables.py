"""Page tables made from what they are to say, so that nothing has to be walked to know what is right."""

from __future__ import annotations

import random
from typing import NamedTuple

SIZE = 8 << 20
TABLES_AT = 1 << 20


class Mode(NamedTuple):
    """A way of paging: the shift of each level from the top on, and where a page can end a walk early."""

    name: str
    shifts: tuple[int, ...]
    pages: tuple[int, ...]
    bits: int
    entry_size: int = 8
    tag: str = "x86"


X86 = (
    Mode("32-bit", (22, 12), (22,), 32, 4),
    Mode("PAE", (30, 21, 12), (21,), 32),
    Mode("4 levels", (39, 30, 21, 12), (30, 21), 48),
    Mode("5 levels", (48, 39, 30, 21, 12), (30, 21), 57),
)
ARM = (
    Mode("4 KiB", (39, 30, 21, 12), (30, 21), 48, tag="arm"),
    Mode("4 KiB, 39 bits", (30, 21, 12), (30, 21), 39, tag="arm"),
    Mode("16 KiB", (47, 36, 25, 14), (25,), 48, tag="arm"),
    Mode("16 KiB, 36 bits", (25, 14), (25,), 36, tag="arm"),
    Mode("64 KiB", (42, 29, 16), (29,), 48, tag="arm"),
    Mode("64 KiB, 42 bits", (29, 16), (29,), 42, tag="arm"),
)


class Page(NamedTuple):
    """What a virtual address means, for `size` bytes."""

    virtual: int
    physical: int
    size: int


class Tables:
    """Physical memory with tables in it, and what they say."""

    def __init__(self, mode: Mode, base: int = 0) -> None:
        self.mode = mode
        self.memory = bytearray(SIZE)
        self.base = base
        """The address of the first byte of memory."""
        self._free = TABLES_AT
        self.root = self._table()
        self.pages: list[Page] = []

    def _table(self) -> int:
        granule = 1 << self.mode.shifts[-1]
        self._free = -(-self._free // granule) * granule
        place = self._free
        self._free += granule
        assert self._free <= SIZE, "no room for another table"
        return self.base + place

    def _bits(self, level: int) -> int:
        above = self.mode.bits if level == 0 else self.mode.shifts[level - 1]
        return above - self.mode.shifts[level]

    def put(self, virtual: int, physical: int, level: int) -> bool:
        """Have the tables say it, by an entry of that level; whether there was room for it."""
        mode, table = self.mode, self.root
        for at, shift in enumerate(mode.shifts[: level + 1]):
            number = virtual >> shift & (1 << self._bits(at)) - 1
            place = table - self.base + number * mode.entry_size
            entry = int.from_bytes(self.memory[place : place + mode.entry_size], "little")
            if at == level:
                if entry:
                    return False
                entry = self._leaf(physical, level)
            elif not entry:
                table = self._table()
                # PAE's first level has none of the usual bits.
                extra = 0 if mode.name == "PAE" and at == 0 else 0x66
                entry = table | (3 if mode.tag == "arm" else 1 | extra)
            else:
                if (mode.tag == "x86" and entry & 0x80) or (mode.tag == "arm" and not entry & 2):
                    return False
                table = entry & 0xFFFF_FFFF_F000 & -(1 << (12 if mode.tag == "x86" else mode.shifts[-1]))
            self.memory[place : place + mode.entry_size] = entry.to_bytes(mode.entry_size, "little")
        size = 1 << mode.shifts[level]
        self.pages.append(Page(virtual & -size, physical & -size, size))
        return True

    def _leaf(self, physical: int, level: int) -> int:
        mode = self.mode
        is_last = level == len(mode.shifts) - 1
        physical &= -(1 << mode.shifts[level])
        if mode.tag == "arm":
            return physical | 0x400 | (3 if is_last else 1)
        entry = physical | 0x67 | (0 if is_last else 0x80)
        if mode.entry_size == 4 and not is_last:
            entry = physical & 0xFFC0_0000 | (physical >> 32 & 0xFF) << 13 | 0xE7
        # Not to be executed: the highest bit is none of the address. Without paging of 64 bits it is reserved.
        return entry | (1 << 63 if mode.bits > 32 and physical & 0x2000 else 0)

    def fill(self, rng: random.Random, count: int, most: int = 1 << 40) -> None:
        """Pages at random, of all sizes, most of them near each other."""
        mode = self.mode
        near = [self.canonical(rng.getrandbits(mode.bits)) for _ in range(3)]
        levels = [level for level, shift in enumerate(mode.shifts) if shift in mode.pages or shift == mode.shifts[-1]]
        for _ in range(count):
            virtual = rng.choice(near) ^ rng.getrandbits(rng.choice((16, 22, 31)))
            level = rng.choice([*levels, levels[-1]])
            # An entry of 32 bits has room for no more, but for large pages.
            fits = 1 << 32 if mode.entry_size == 4 and mode.shifts[level] == 12 else most
            self.put(self.canonical(virtual), rng.randrange(min(most, fits)), level)

    def canonical(self, virtual: int) -> int:
        """An address as the processor wants it: all bits above the highest are as that. (Of Arm: the upper half.)"""
        bits = self.mode.bits
        virtual &= (1 << bits) - 1
        if bits == 32:
            return virtual
        is_high = self.mode.tag == "arm" or virtual >> bits - 1
        return virtual | (-(1 << bits) & (1 << 64) - 1 if is_high else 0)

    def means(self, virtual: int) -> int | None:
        """What an address means; None where nothing is."""
        for page in self.pages:
            if page.virtual <= virtual < page.virtual + page.size:
                return page.physical + virtual - page.virtual
        return None

    def questions(self, rng: random.Random) -> list[int]:
        """Addresses to ask about: in every page, at its edges, and where nothing is."""
        asked = []
        for page in self.pages:
            asked += [page.virtual, page.virtual + page.size - 1, page.virtual + rng.randrange(page.size)]
            asked.append(self.canonical(page.virtual + page.size))
        return [*asked, *(self.canonical(rng.getrandbits(self.mode.bits)) for _ in range(8))]
