"""Guest memory as a stream has it: bytes by guest physical address.

RAM is not held. When a page is first asked for, the records of the whole stream are passed once, and it is noted where
the last one of each page stands; after that a page is one look into the input. A mapped-ram file needs not even that:
its bitmap says which pages are there. Where a machine has its memory is told in `vmstate.stream.memory_map`.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from vmstate.errors import StreamError
from vmstate.stream.events import Command, CommandType, Event
from vmstate.stream.memory_index import PageIndex
from vmstate.stream.memory_map import MemoryMap, MemoryRange, memory_map
from vmstate.stream.memory_pages import (
    DENSE,
    MISSING,
    PLAIN,
    ZERO,
    BlockPages,
    Channel,
    CutMappedPages,
    FilePages,
    MappedPages,
    NoPages,
    NotedRun,
    Run,
    SentPages,
)
from vmstate.stream.ram_records import RamBlock, RamEnd, RamMultifdFlush, RamPages
from vmstate.stream.reader import page_size_of
from vmstate.vmsd.data import Data

if TYPE_CHECKING:
    from vmstate.stream.paging import Paging
    from vmstate.stream.stream import Stream


class PageSource(Data):
    """What the pages of a stream are looked for in: the `events` of its memory, its bytes, where in the file it begins,
    further channels, and what it has where all of them are in step; `noted` is where they stand, where that is known,
    noted as the stream was read or in an index; `is_cut` whether the stream breaks off; `elsewhere` is what may hold
    a page that it does not.
    """

    events: Callable[[], Iterator[Event]] | None
    data: memoryview | None
    origin: int
    channels: Sequence[Channel]
    mark: type
    noted: Sequence[NotedRun] | PageIndex | None
    is_cut: bool
    elsewhere: str | None


class GuestMemory:
    """Reads guest memory. Made by `Stream.memory`.

    `map` says where the machine has it, `ranges` the same without the rest.
    """

    def __init__(
        self,
        source: PageSource,
        blocks: Iterable[RamBlock],
        page_size: int,
        files: Mapping[str, str | os.PathLike[str]],
        make_map: Callable[[GuestMemory], MemoryMap],
        paging: Callable[[GuestMemory, int | str, int], Paging],
        release: Callable[[int, int], None] | None = None,
    ) -> None:
        self.page_size = page_size
        self.release = release
        self._paging = partial(paging, self)
        self._source = source
        self._blocks = {block.idstr: block for block in blocks}
        self._files = dict(files)
        self._pages: dict[str, BlockPages] | None = None
        self.map = make_map(self)
        self.ranges = self.map.ranges
        for memory_range in self.ranges:
            self._refuse_impossible(memory_range)
        self._starts = [memory_range.address for memory_range in self.ranges]

    def _refuse_impossible(self, memory_range: MemoryRange) -> None:
        block, name = self._blocks.get(memory_range.block), memory_range.block
        address, size, offset = memory_range.address, memory_range.size, memory_range.offset
        if address < 0 or address + size > 1 << 64:
            raise StreamError(f"memory of {name} behind the last address", found=f"{address:#x}")
        if block is None or offset < 0 or size < 0 or offset + size > block.used_length:
            inside = f"at most {block.used_length} bytes" if block is not None else "a block of the stream"
            raise StreamError(f"memory outside of block {name}", expected=inside, found=f"{size} from {offset:#x} on")
        if offset % self.page_size:
            raise StreamError(
                f"memory of {name} begins inside a page",
                expected=f"a multiple of {self.page_size}",
                found=f"{offset:#x}",
            )

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from a guest physical address on.

        Raises `StreamError` where the machine has no memory there, or the stream does not hold it, or the size is
        negative.
        """
        if size < 0:
            raise StreamError("memory of a negative size is asked for", found=str(size))
        # Where there is no memory is said before what is not in the stream.
        places = list(self._places(address, size))
        try:
            return b"".join(self._part(*place) for place in places)
        except ValueError:
            raise StreamError("the stream that memory is read from is closed") from None

    def has(self, address: int, size: int) -> bool:
        """Whether the machine has `size` bytes of memory from a guest physical address on, in one piece."""
        memory_range = self._range_at(address)
        return memory_range is not None and address + size <= memory_range.address + memory_range.size

    def read_all(self, spans: Iterable[tuple[int, int]]) -> list[bytes]:
        """The bytes of several spans (address, size)."""
        return [self.read(address, size) for address, size in spans]

    def read_block(self, name: str) -> bytes:
        """All of a block, by name; pages that the stream does not hold are zeros."""
        pages = self.block(name)
        whole = b"".join(pages.content(page) or bytes(self.page_size) for page in range(pages.count))
        return whole[: pages.size]

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """(address, bytes) of every page that is there and not sent as zeros, by address."""
        for memory_range in self.ranges:
            for run in self.runs(memory_range):
                if run.kind == PLAIN:
                    address = memory_range.address + run.first * self.page_size - memory_range.offset
                    whole = b"".join(run.views)
                    for at in range(0, len(whole), self.page_size):
                        yield address + at, whole[at : at + self.page_size]

    def missing(self) -> Iterator[tuple[int, int]]:
        """(address, size in bytes) of what the machine has and the stream does not hold."""
        for memory_range in self.ranges:
            for run in self.runs(memory_range):
                if run.kind == MISSING:
                    yield (
                        memory_range.address + run.first * self.page_size - memory_range.offset,
                        run.length * self.page_size,
                    )

    def runs(self, memory_range: MemoryRange) -> Iterator[Run]:
        """The pages of a range, in order."""
        first = memory_range.offset // self.page_size
        return self.block(memory_range.block).runs(first, -(-memory_range.size // self.page_size))

    def translate(self, root: int | str, address: int) -> int:
        """The guest physical address that a virtual one means. `root` is what CR3 (TTBR) holds, or the name of a
        section "cpu". Raises `StreamError` where the guest has nothing there.
        """
        return self._paging(root, address).translate(address)

    def read_virtual(self, root: int | str, address: int, size: int) -> bytes:
        """`size` bytes from a virtual address on, as `translate` has it."""
        return self._paging(root, address).read(address, size)

    def source(self, address: int, size: int) -> tuple[int, int] | None:
        """Where the stream has what is read from an address on: (absolute offset, size), of the first page of it.

        Of a page that is not sent as it is, all that stands for it. None where it is not there, or not in the stream.
        """
        block, offset, length = next(self._places(address, max(size, 1)))
        length = min(length, size)
        page, start = divmod(offset, self.page_size)
        sent = self.block(block).place(page)
        if sent is None or sent[1] != self.page_size:
            return sent
        return sent[0] + start, length

    def _range_at(self, address: int) -> MemoryRange | None:
        number = bisect_right(self._starts, address) - 1
        while number >= 0:
            memory_range = self.ranges[number]
            if memory_range.address <= address < memory_range.address + memory_range.size:
                return memory_range
            number -= 1
        return None

    def _places(self, address: int, size: int) -> Iterator[tuple[str, int, int]]:
        """(block, offset, size) of the pieces of a span, none of which goes over the edge of a page."""
        while size > 0:
            inside = self._range_at(address)
            if inside is None:
                shown_ranges = ", ".join(
                    f"{memory_range.address:#x} to {memory_range.address + memory_range.size - 1:#x}"
                    for memory_range in self.ranges
                )
                raise StreamError(
                    "the machine has no memory there", expected=shown_ranges or None, found=f"{address:#x}"
                )
            offset = inside.offset + address - inside.address
            length = min(size, inside.address + inside.size - address, self.page_size - offset % self.page_size)
            yield inside.block, offset, length
            address += length
            size -= length

    def _part(self, block: str, offset: int, size: int) -> bytes:
        page, start = divmod(offset, self.page_size)
        page_bytes = self.block(block).content(page)
        if page_bytes is None:
            address = next(
                each.address + offset - each.offset
                for each in self.ranges
                if each.block == block and each.offset <= offset < each.offset + each.size
            )
            message = f"the stream does not hold page {page:#x} of {block}, at {address:#x}"
            raise StreamError(message, expected=self._elsewhere(block))
        return page_bytes[start : start + size]

    def _elsewhere(self, name: str) -> str | None:
        """Where the pages of a block are that are missing, if that is known."""
        block = self._blocks.get(name)
        if self._source.data is None and self._source.events is None:
            return "a stream with its input: this one is closed, or was made without"
        if block is not None and block.gpa is not None:
            return "the file of that shared memory (--memory ID=FILE)"
        if self._source.is_cut:
            return "the whole stream: this one breaks off"
        given = ", ".join(f"{channel.count} of {channel.kind}" for channel in self._source.channels)
        if self._source.mark is RamMultifdFlush or given:
            return f"a further channel of the migration (--channel); given: {given or 'none'}"
        return self._source.elsewhere

    def block(self, name: str) -> BlockPages:
        """The pages of a block, by name."""
        if self._pages is None:
            self._pages = self._found_pages()
        pages = self._pages.get(name)
        if pages is None:
            block = self._blocks.get(name)
            pages = NoPages(name, 1 << 64 if block is None else block.used_length, self.page_size)
            if name in self._files:
                pages = FilePages(name, pages.size, self.page_size, os.fspath(self._files[name]))
            self._pages[name] = pages
        return pages

    def _pass(
        self, source: PageSource, events: Iterator[Event], sent: Mapping[str, SentPages], sources: list[memoryview]
    ) -> None:
        """Note the pages of all records, and in step with them those of other channels."""
        epoch = 0
        for event in events:
            if isinstance(event, RamPages):
                if event.block in sent:
                    sent[event.block].take(event)
            elif isinstance(event, Command) and event.command == CommandType.POSTCOPY_RAM_DISCARD:
                for name, start, size in _discarded(event):
                    if name in sent:
                        sent[name].forget(start, size)
            elif source.channels and isinstance(event, source.mark):
                for channel in source.channels:
                    channel.fill(epoch, sent, sources)
                epoch += 1
        for channel in source.channels:
            channel.fill(None, sent, sources)

    def _found_pages(self) -> dict[str, BlockPages]:
        source, page_size = self._source, self.page_size
        pages: dict[str, BlockPages] = {}
        sent: dict[str, SentPages] = {}
        sources = [memoryview(b"") if source.data is None else source.data]
        # What says where pages stand takes as much as the records of so many pages, and no more.
        left = max(sum(map(len, sources)), DENSE) // 8
        for name, block in self._blocks.items():
            if name in self._files:
                continue
            if block.mapped is not None and source.data is not None:
                if block.mapped.pages_offset:
                    mapped_pages = CutMappedPages if source.is_cut else MappedPages
                    pages[name] = mapped_pages(
                        name, block.used_length, page_size, source.data, block.mapped, source.origin, False
                    )
            else:
                if isinstance(source.noted, PageIndex):
                    pages[name] = source.noted.pages_of(name, sources)
                    continue
                count = block.used_length // page_size
                left -= count
                sent[name] = SentPages(name, block.used_length, page_size, sources, left >= 0)
        if isinstance(source.noted, PageIndex):
            return pages
        if source.noted is not None and not source.channels:
            for run in source.noted:
                if run.block in sent:
                    kind = PLAIN if run.kind == "page" else ZERO
                    sent[run.block].note(run.addresses, run.at, run.stride, kind, 0)
        elif not pages and source.events is not None:
            self._pass(source, source.events(), sent, sources)
        return {**sent, **pages}


RELEASE = 16 << 20
"""Bytes of a stream that are passed before the system may have them back."""


def _discarded(command: Command) -> Iterator[tuple[str, int, int]]:
    """(block, offset, size in bytes) of what the destination is told to drop as postcopy begins: u8 version, u8 length
    of the name, the name, a zero byte, and pairs of u64. Raises `StreamError`.
    """
    data = command.data
    begin = 3 + data[1] if len(data) > 1 else len(data) + 1
    if begin > len(data) or (len(data) - begin) % 16:
        raise StreamError("a list of dropped memory is cut off", offset=command.offset, found=f"{len(data)} bytes")
    name = data[2 : begin - 1].decode(errors="backslashreplace")
    for start, size in struct.iter_unpack(">QQ", data[begin:]):
        yield name, start, size


def _events_of_ram(stream: Stream, events: Callable[[], Iterator[Event]]) -> Iterator[Event]:
    """The events of a stream again, up to the end of its memory; what was passed is given back to the system."""
    source = stream.input
    assert source is not None
    end = max((part.state.offset + part.state.size for part in stream.sections if part.is_ram), default=0)
    if stream.cut is not None:
        end = len(source.data)
    released = 0
    for event in events():
        if event.offset >= end:
            break
        yield event
        if event.offset - released > RELEASE:
            source.release(released, event.offset)
            released = event.offset
    source.release(released, end)


def memory_of(
    stream: Stream,
    events: Callable[[], Iterator[Event]] | None,
    files: Mapping[str, str | os.PathLike[str]],
    ranges: Sequence[MemoryRange] | None,
    placed: Mapping[str, int],
    cmos: bytes | None = None,
) -> GuestMemory:
    """The memory of a stream, as `Stream.memory` has it; `events` are its events, once more, and `cmos` is the clock's
    CMOS where the section is not among the stream's.
    """

    def make_map(memory: GuestMemory) -> MemoryMap:
        if ranges is not None:
            return MemoryMap(tuple(sorted(ranges, key=lambda each: each.address)), (), (), "told")
        if index is not None and index.placed == placed:
            return index.map
        return memory_map(whole(), lambda block: memory.read_block(block.idstr), placed, cmos)

    def paging(memory: GuestMemory, root: int | str, address: int) -> Paging:
        # Hardly anybody asks.
        from vmstate.stream.paging import paging_of

        return paging_of(whole(), memory, root, address)

    @cache
    def whole() -> Stream:
        # With an index only what stands before memory was read.
        from vmstate.stream.stream import read_stream

        return stream if index is None or stream.input is None else read_stream(stream.input)

    index = stream.noted if isinstance(stream.noted, PageIndex) else None
    vmdesc, source = stream.vmdesc, stream.input
    page_size = (None if vmdesc is None else vmdesc.page_size) or page_size_of(stream.configuration)
    page_size = page_size if index is None else index.page_size
    data, origin = (None, 0) if source is None else (source.data, source.origin)
    release = None if source is None else source.release
    # Up to 8.0 the channels are waited for at the end of each part.
    mark = RamMultifdFlush if "multifd flush" in stream.ram.firsts else RamEnd
    of_ram = None if events is None else partial(_events_of_ram, stream, events)
    elsewhere = None
    if stream.may_lack_pages:
        elsewhere = "postcopy's preempt channel, or a recovery" if stream.is_postcopy else "a further channel, if any"
        elsewhere += " (--channel)"
    return GuestMemory(
        PageSource(of_ram, data, origin, stream.channels, mark, stream.noted, stream.cut is not None, elsewhere),
        stream.ram.blocks,
        page_size,
        files,
        make_map,
        paging,
        release,
    )
