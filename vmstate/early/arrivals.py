"""Guest memory as a destination has it while it is sent, as far as copies wait for it.

Some loads read guest memory: an option ROM, the indices of a device's rings. A copy of such a section can be sent once
those pages have come; and the last section be left out where it is equal, and what the load read is at the end as it
was then. `Arrivals` keeps the pages that something waits for, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vmstate.errors import StreamError, VMStateError
from vmstate.stream.memory_map import MemoryRange
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.early_copy import BehindMemory

Page = tuple[str, int]
"""A block's name, and the offset of a page in it, bytes."""

MOST_BYTES = 8 << 20
"""Bytes of all pages that are kept, at the most."""

NO_PAGES: dict[int, bytes | None] = {}


class BehindPages(Data):
    """A section whose copy may come behind pages: its state, where the machine has its memory, what is known of it."""

    state: Any
    ranges: tuple[MemoryRange, ...]
    evidence: BehindMemory


def memory_ranges(stream: Stream) -> tuple[MemoryRange, ...]:
    """Where the machine in a stream has its memory; nothing where that is not known for sure."""
    from vmstate.stream.memory_map import known_ranges, memory_map

    def no_content(block: Any) -> bytes:
        raise StreamError("memory is not there yet", section=block.idstr)

    try:
        told = memory_map(stream, no_content)
        if told.source == "cmos" and not told.unplaced:
            return told.ranges
        return tuple(known_ranges(stream.machine, stream.ram.blocks))
    except VMStateError:
        return ()


class Arrivals:
    """The pages that copies wait for. `by_block`: for each block its pages, by their offset, and what is in them; None
    for one that has not come, or whose content cannot be told.
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.by_block: dict[str, dict[int, bytes | None]] = {}
        self.count = 0

    def wait_for(self, pages: Iterable[Page]) -> None:
        """Keep these pages from now on. Raises `StreamError` where they are too many."""
        new = [(block, page) for block, page in pages if page not in self.by_block.get(block, NO_PAGES)]
        if (self.count + len(new)) * self.page_size > MOST_BYTES:
            raise StreamError("too much of guest memory would have to be kept")
        for block, page in new:
            self.by_block.setdefault(block, {})[page] = None
        self.count += len(new)

    def content(self, page: Page) -> bytes | None:
        """What is in a page, as the destination has it."""
        return self.by_block.get(page[0], NO_PAGES).get(page[1])


class LateCopy:
    """A section's copy that waits for pages, and what its load read there once it is sent.

    `payload` is the state of which the copy is. Raises `StreamError` where the machine has no memory at a place that
    the load reads.
    """

    def __init__(self, behind: BehindPages, payload: bytes, arrivals: Arrivals) -> None:
        self.payload = payload
        self.is_sent = False
        self.is_undone = False
        """Whether the destination, since the copy was sent, got something else where its load read."""
        self.refused: str | None = None
        self._evidence = behind.evidence
        self._state = behind.state
        self._memory = _Memory(behind.ranges, arrivals)
        self._arrivals = arrivals
        self.pages = frozenset(self._memory.pages_of(behind.evidence.spans(behind.state)))
        self._read: dict[tuple[int, int], bytes] = {}
        self._read_pages: frozenset[Page] = frozenset()
        arrivals.wait_for(self.pages)

    @property
    def is_there(self) -> bool:
        """Whether all pages have come that its load reads."""
        return all(self._arrivals.content(page) is not None for page in self.pages)

    def may_be_sent(self) -> bool:
        """Whether its load would do now what the last one will, going by what has come; else `refused` says why not."""
        self._memory.was_read.clear()
        try:
            self.refused = self._evidence.reads(self._state, self._memory)
        except VMStateError as error:
            self.refused = str(error)
        self._read = dict(self._memory.was_read)
        self._read_pages = frozenset(self._memory.pages_of(self._read))
        return self.refused is None

    def came_again(self, page: Page) -> None:
        """Take notice of a page that came after the copy was sent."""
        if page not in self._read_pages:
            return
        try:
            is_as_read = all(self._memory.read(*span) == data for span, data in self._read.items())
        except VMStateError:
            is_as_read = False
        self.is_undone = self.is_undone or self._evidence.writes or not is_as_read


class _Memory:
    """Guest memory of those pages, for a load to read; `was_read` is what was read of it."""

    def __init__(self, ranges: Sequence[MemoryRange], arrivals: Arrivals) -> None:
        self._ranges = ranges
        self._arrivals = arrivals
        self.was_read: dict[tuple[int, int], bytes] = {}

    def has(self, address: int, size: int) -> bool:
        return self._range(address, size) is not None

    def _range(self, address: int, size: int) -> MemoryRange | None:
        for place in self._ranges:
            if place.address <= address and address + size <= place.address + place.size:
                return place
        return None

    def _pages(self, address: int, size: int) -> tuple[MemoryRange, range]:
        place = self._range(address, size)
        if place is None:
            raise StreamError("the machine has no memory there", found=f"{address:#x}")
        step = self._arrivals.page_size
        begin = place.offset + address - place.address
        return place, range(begin // step * step, begin + size, step)

    def pages_of(self, spans: Iterable[tuple[int, int]]) -> set[Page]:
        """The pages in which spans (address, size) lie. Raises `StreamError` where there is no memory."""
        pages = set()
        for span in spans:
            place, offsets = self._pages(*span)
            pages |= {(place.block, offset) for offset in offsets}
        return pages

    def read(self, address: int, size: int) -> bytes:
        place, offsets = self._pages(address, size)
        parts = [self._arrivals.content((place.block, offset)) for offset in offsets]
        whole = b"".join(part for part in parts if part is not None)
        if len(whole) < len(parts) * self._arrivals.page_size:
            raise StreamError("a page has not come as it is", found=f"{address:#x}")
        begin = place.offset + address - place.address - offsets[0]
        data = whole[begin : begin + size]
        self.was_read[address, size] = data
        return data

    def read_all(self, spans: Iterable[tuple[int, int]]) -> list[bytes]:
        return [self.read(*span) for span in spans]
