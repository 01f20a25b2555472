"""Guest memory as a stream has it: bytes by guest physical address.

RAM is not held. When a page is first asked for, the records of the whole stream are passed once, and it is noted where
the last one of each page stands; after that a page is one look into the input. A mapped-ram file needs not even that:
its bitmap says which pages are there. Where a machine has its memory is told in `vmstate.stream.memory_map`.
"""

from __future__ import annotations

import os
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from vmstate.errors import StreamError
from vmstate.stream.events import Event
from vmstate.stream.memory_map import MemoryMap, MemoryRange, memory_map
from vmstate.stream.ram_records import MappedRamHeader, RamBlock, RamEnd, RamMultifdFlush, RamPages
from vmstate.stream.reader import page_size_of
from vmstate.vmsd.data import Data, NamedTuple

if TYPE_CHECKING:
    from vmstate.stream.paging import Paging
    from vmstate.stream.stream import Stream

MISSING: Final = 0
"""A page of which nothing is there."""
PLAIN: Final = 1
"""A page that stands in the input as it is."""
ZERO: Final = 2
"""A page of zeros."""
MADE: Final = 3
"""A page that has to be made of what was sent for it: decompressed, or a difference applied to the one before."""

_KIND_BITS = 2
_SOURCE_BITS = 10
_SHIFT = _KIND_BITS + _SOURCE_BITS

DENSE = 64 << 20
"""Bytes that may always be taken to note where pages stand: for a machine of 32 GiB."""

RUN = 1 << 10
"""Pages in one run at most."""


class Run(NamedTuple):
    """`length` pages from number `first` on of one kind; `views` are the bytes of those that are there, in order."""

    first: int
    length: int
    kind: int
    views: list[memoryview]


class BlockPages:
    """The pages of one block. `size` is in bytes, `page_size` too."""

    def __init__(self, name: str, size: int, page_size: int) -> None:
        self.name = name
        self.size = size
        self.page_size = page_size
        self.count = -(-size // page_size)

    def content(self, page: int) -> bytes | None:
        """The bytes of a page; None where it is not there."""
        raise NotImplementedError

    def place(self, page: int) -> tuple[int, int] | None:
        """Where the input has what stands for a page: (offset, size)."""
        raise NotImplementedError

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """All pages from `first` on, in order, in runs of one kind."""
        raise NotImplementedError


class _SparsePlaces(dict[int, int]):
    """Places of pages of which only few can have been sent."""

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return [self.get(page, MISSING) for page in range(key.start, key.stop)]
        return self.get(key, MISSING)


class SentPages(BlockPages):
    """Pages that were sent as records. Of each the last place is kept, and of those that are made all of them."""

    def __init__(self, name: str, size: int, page_size: int, sources: list[memoryview], is_dense: bool = True) -> None:
        super().__init__(name, size, page_size)
        self._sources = sources
        self._places: array[int] | _SparsePlaces = array("Q", bytes(8 * self.count)) if is_dense else _SparsePlaces()
        self._steps: dict[int, list[tuple[int, str, int, int]]] = {}

    def take(self, run: RamPages, source: int = 0) -> None:
        """Note the pages of a run of records."""
        first, end = run.body_span(0)
        at = run.offset + first
        if run.kind in ("page", "zero"):
            stride = end - first + 8
            if run.kind == "zero" and any(run.raw[first::stride]):
                # Filled with another byte.
                self._take_made(run, source)
                return
            self.note(run.addresses(), at, stride, PLAIN if run.kind == "page" else ZERO, source)
        else:
            self._take_made(run, source)

    def note(self, addresses: Iterable[int], at: int, stride: int, kind: int, source: int) -> None:
        """Note pages whose bytes stand from `at` on, each `stride` bytes behind the one before."""
        numbers = [address // self.page_size for address in addresses]
        word, step = at << _SHIFT | source << _KIND_BITS | kind, stride << _SHIFT
        count = len(numbers)
        if isinstance(self._places, array) and numbers == list(range(numbers[0], numbers[0] + count)):
            words = range(word, word + count * step, step) if step else [word] * count
            self._places[numbers[0] : numbers[0] + count] = array("Q", words)
            return
        for index, page in enumerate(numbers):
            self._places[page] = word + index * step

    def _take_made(self, run: RamPages, source: int) -> None:
        for index, address in enumerate(run.addresses()):
            page = address // self.page_size
            first, end = run.body_span(index)
            at = run.offset + first
            steps = self._steps.setdefault(page, [])
            if run.kind == "xbzrle":
                before = self._places[page]
                if before & 3 in (PLAIN, ZERO):
                    steps[:] = [
                        (before >> _KIND_BITS & 0x3FF, ("page", "zero")[before & 3 == ZERO], before >> _SHIFT, 0)
                    ]
            else:
                steps.clear()
            steps.append((source, run.kind, at, end - first))
            self._places[page] = at << _SHIFT | source << _KIND_BITS | MADE

    def content(self, page: int) -> bytes | None:
        """The bytes of a page; None where it is not there, or only a difference to one that is not."""
        word = self._places[page]
        kind = word & 3
        if kind == PLAIN:
            at = word >> _SHIFT
            return bytes(self._sources[word >> _KIND_BITS & 0x3FF][at : at + self.page_size])
        if kind == ZERO:
            return bytes(self.page_size)
        return self._made(page) if kind == MADE else None

    def _made(self, page: int) -> bytes | None:
        size = self.page_size
        content: bytes | None = None
        for source, kind, at, length in self._steps[page]:
            raw = bytes(self._sources[source][at : at + length])
            if kind == "page":
                content = bytes(self._sources[source][at : at + size])
            elif kind == "zero":
                content = (raw or b"\0") * size
            elif kind == "compressed":
                try:
                    content = zlib.decompressobj().decompress(raw, size).ljust(size, b"\0")
                except zlib.error as error:
                    raise StreamError(f"a compressed page of {self.name} is damaged: {error}", offset=at) from None
            else:
                content = None if content is None else patched(content, raw)
        return content

    def place(self, page: int) -> tuple[int, int] | None:
        """Where the stream has what was sent last for a page; None where that is in another channel."""
        word = self._places[page]
        if not word or word >> _KIND_BITS & 0x3FF:
            return None
        size = {PLAIN: self.page_size, ZERO: 1}.get(word & 3)
        return word >> _SHIFT, self._steps[page][-1][3] if size is None else size

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """All pages from `first` on, in order, in runs of one kind."""
        size = self.page_size
        stop = first + count
        while first < stop:
            words = self._places[first : min(stop, first + RUN)]
            kinds = [word & 3 for word in words]
            begin = 0
            while begin < len(words):
                kind, end = kinds[begin], begin + 1
                while end < len(words) and kinds[end] == kind:
                    end += 1
                views: list[memoryview] = []
                if kind == PLAIN:
                    for word in words[begin:end]:
                        at = word >> _SHIFT
                        views.append(self._sources[word >> _KIND_BITS & 0x3FF][at : at + size])
                elif kind == MADE:
                    for page in range(first + begin, first + end):
                        content = self._made(page)
                        yield Run(page, 1, MISSING if content is None else PLAIN, [memoryview(content or b"")])
                    begin = end
                    continue
                yield Run(first + begin, end - begin, kind, views)
                begin = end
            first += len(words)


class MappedPages(BlockPages):
    """Pages that have fixed places in a mapped-ram file, and a bit each that says whether they are not zero."""

    def __init__(
        self, name: str, size: int, page_size: int, data: memoryview, header: MappedRamHeader, origin: int, wide: bool
    ) -> None:
        super().__init__(name, size, page_size)
        self._data = data
        begin = header.bitmap_offset - origin
        words = -(-self.count // 64) * 8
        bitmap = data[begin : begin + words]
        # Words of the host that saved. One with its highest byte first has the bits of eight bytes the other way round.
        self._bits = bytes(b"".join(bytes(bitmap[at : at + 8])[::-1] for at in range(0, words, 8))) if wide else bitmap
        self._start = header.pages_offset - origin

    def _is_there(self, page: int) -> bool:
        return bool(self._bits[page >> 3] >> (page & 7) & 1)

    def content(self, page: int) -> bytes | None:
        """The bytes of a page."""
        if not self._is_there(page):
            return bytes(self.page_size)
        at = self._start + page * self.page_size
        return bytes(self._data[at : at + self.page_size])

    def place(self, page: int) -> tuple[int, int] | None:
        """Where the file has a page; None for one that is zero."""
        return (self._start + page * self.page_size, self.page_size) if self._is_there(page) else None

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """All pages from `first` on, in order, in runs of one kind."""
        size, stop = self.page_size, first + count
        while first < stop:
            is_there = self._is_there(first)
            end = first + 1
            whole = 0xFF if is_there else 0
            while end < stop and end - first < RUN:
                if not end & 7 and end + 8 <= stop and self._bits[end >> 3] == whole:
                    end += 8
                elif self._is_there(end) == is_there:
                    end += 1
                else:
                    break
            at = self._start + first * size
            views = [self._data[at : at + (end - first) * size]] if is_there else []
            yield Run(first, end - first, PLAIN if is_there else ZERO, views)
            first = end


class FilePages(BlockPages):
    """Pages that the stream leaves out (x-ignore-shared) and a file has."""

    def __init__(self, name: str, size: int, page_size: int, path: str) -> None:
        super().__init__(name, size, page_size)
        self._path = path

    def content(self, page: int) -> bytes | None:
        """The bytes of a page."""
        try:
            with open(self._path, "rb") as file:
                file.seek(page * self.page_size)
                return file.read(self.page_size).ljust(self.page_size, b"\0")
        except OSError as error:
            raise StreamError(f"the memory file cannot be read: {error.strerror}", file=self._path) from None

    def place(self, page: int) -> tuple[int, int] | None:
        """Nowhere in the input."""
        return None

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """All pages from `first` on, in order."""
        for page in range(first, first + count):
            yield Run(page, 1, PLAIN, [memoryview(self.content(page) or b"")])


class NoPages(BlockPages):
    """A block of which the stream holds nothing."""

    def content(self, page: int) -> bytes | None:
        """Nothing."""
        return None

    def place(self, page: int) -> tuple[int, int] | None:
        """Nowhere."""
        return None

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """Nothing of what is asked for."""
        yield Run(first, count, MISSING, [])


class PageSource(Data):
    """What the pages of a stream are looked for in: the `events` of its memory, its bytes, where in the file it begins,
    further channels, and what it has where all of them are in step.
    """

    events: Callable[[], Iterator[Event]] | None
    data: memoryview | None
    origin: int
    channels: Sequence[Channel]
    mark: type


class Channel:
    """Pages that came another way than through the stream."""

    def fill(self, epoch: int | None, blocks: Mapping[str, SentPages], sources: list[memoryview]) -> None:
        """Note the pages in `blocks`, and what they stand in in `sources`: those of an epoch, which ends where the main
        stream has a mark; None for all that are left.
        """
        raise NotImplementedError


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
        self._starts = [memory_range.address for memory_range in self.ranges]

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from a guest physical address on.

        Raises `StreamError` where the machine has no memory there, or the stream does not hold it.
        """
        # Where there is no memory is said before what is not in the stream.
        places = list(self._places(address, size))
        return b"".join(self._part(*place) for place in places)

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
        block, offset, length = next(self._places(address, size))
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
            raise StreamError(f"the stream does not hold page {page:#x} of {block}")
        return page_bytes[start : start + size]

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
                    pages[name] = MappedPages(
                        name, block.used_length, page_size, source.data, block.mapped, source.origin, False
                    )
            else:
                count = block.used_length // page_size
                left -= count
                sent[name] = SentPages(name, block.used_length, page_size, sources, left >= 0)
        if not pages and source.events is not None:
            self._pass(source, source.events(), sent, sources)
        return {**sent, **pages}


RELEASE = 16 << 20
"""Bytes of a stream that are passed before the system may have them back."""


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
) -> GuestMemory:
    """The memory of a stream, as `Stream.memory` has it; `events` are its events, once more."""

    def make_map(memory: GuestMemory) -> MemoryMap:
        if ranges is not None:
            return MemoryMap(tuple(sorted(ranges, key=lambda each: each.address)), (), (), "told")
        return memory_map(stream, lambda block: memory.read_block(block.idstr), placed)

    def paging(memory: GuestMemory, root: int | str, address: int) -> Paging:
        # Hardly anybody asks.
        from vmstate.stream.paging import paging_of

        return paging_of(stream, memory, root, address)

    vmdesc, source = stream.vmdesc, stream.input
    page_size = (None if vmdesc is None else vmdesc.page_size) or page_size_of(stream.configuration)
    data, origin = (None, 0) if source is None else (source.data, source.origin)
    release = None if source is None else source.release
    # Up to 8.0 the channels are waited for at the end of each part.
    mark = RamMultifdFlush if "multifd flush" in stream.ram.firsts else RamEnd
    of_ram = None if events is None else partial(_events_of_ram, stream, events)
    return GuestMemory(
        PageSource(of_ram, data, origin, stream.channels, mark),
        stream.ram.blocks,
        page_size,
        files,
        make_map,
        paging,
        release,
    )


def patched(page: bytes, difference: bytes) -> bytes:
    """A page with an XBZRLE difference applied: in turn bytes that stay and bytes that are new, each behind a length.

    A length is LEB128. Facts from QEMU's migration/xbzrle.c.
    """
    new = bytearray(page)
    at = place = 0
    stays = True
    while at < len(difference):
        length = shift = 0
        while at < len(difference):
            byte = difference[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80 or shift > 14:
                break
        if place + length > len(new):
            raise StreamError("an XBZRLE difference is longer than the page", section="ram")
        if not stays:
            if at + length > len(difference):
                raise StreamError("an XBZRLE difference ends too early", section="ram")
            new[place : place + length] = difference[at : at + length]
            at += length
        place += length
        stays = not stays
    return bytes(new[: len(page)])


def is_difference(difference: bytes | memoryview, size: int) -> bool:
    """Whether QEMU takes an XBZRLE difference to a page of so many bytes (xbzrle_decode_buffer)."""
    at = place = 0
    while at < len(difference):
        first = at == 0
        for stays in (True, False):
            length, read = _short_length(difference[at:])
            if not read or len(difference) - at < 2 or (length == 0 and not (stays and first)):
                return False
            at, place = at + read, place + length
            if place > size:
                return False
            if not stays:
                at += length
        if at > len(difference):
            return False
    return True


def _short_length(data: bytes | memoryview) -> tuple[int, int]:
    """(length, bytes that it takes) of a LEB128 number of at most two bytes; no bytes for one that is longer."""
    if data and not data[0] & 0x80:
        return data[0], 1
    if len(data) > 1 and not data[1] & 0x80:
        return data[0] & 0x7F | data[1] << 7, 2
    return 0, 0
