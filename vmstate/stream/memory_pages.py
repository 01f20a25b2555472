"""Where the pages of a RAM block stand in what they came in: as records, at fixed places, in a file of their own.

Of each page the last place is kept, in eight bytes; nothing of memory is. Pages are told in runs of one kind.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vmstate.errors import StreamError
from vmstate.files import reported
from vmstate.stream.ram_records import MappedRamHeader, RamPages
from vmstate.stream.xbzrle import patched
from vmstate.vmsd.data import NamedTuple

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

Step: TypeAlias = tuple[int, str, int, int]
"""What was sent for a page that has to be made: the number of the source, the kind of record, offset and size."""


class Run:
    """`length` pages from number `first` on of one kind; `views` are the bytes of those that are there, in order.

    Where they stand evenly in the stream's own input, `at` is the offset of the first and `gap` how many bytes stand
    between two of them; else `at` is None.
    """

    __slots__ = ("_views", "at", "first", "gap", "kind", "length")

    def __init__(
        self,
        first: int,
        length: int,
        kind: int,
        views: list[memoryview] | Callable[[], list[memoryview]],
        at: int | None = None,
        gap: int = 0,
    ) -> None:
        self.first = first
        self.length = length
        self.kind = kind
        self._views = views
        self.at = at
        self.gap = gap

    @property
    def views(self) -> list[memoryview]:
        """The bytes of the pages, in order, in as many pieces as it takes."""
        if not isinstance(self._views, list):
            self._views = self._views()
        return self._views


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


def _is_even(words: array[int]) -> bool:
    """Whether the places are equally far from each other, each behind the one before, in the same source."""
    if len(words) == 1:
        return True
    step = words[1] - words[0]
    return step > 0 and not step % (1 << _SHIFT) and words == array("Q", range(words[0], words[-1] + 1, step))


class SentPages(BlockPages):
    """Pages that were sent as records. Of each the last place is kept, and of those that are made all of them."""

    def __init__(self, name: str, size: int, page_size: int, sources: list[memoryview], is_dense: bool = True) -> None:
        super().__init__(name, size, page_size)
        self._sources = sources
        self._places: Any = array("Q", bytes(8 * self.count)) if is_dense else _SparsePlaces()
        self._steps: dict[int, list[Step]] = {}

    def words(self, first: int, count: int) -> list[int]:
        """What is kept of pages from number `first` on: where each stands, in which source, and of which kind."""
        return list(self._places[first : first + count])

    @property
    def sources(self) -> Sequence[memoryview]:
        """What places are in, by the number in their words: the stream, and its further channels."""
        return self._sources

    def steps(self, page: int) -> list[Step]:
        """What was sent for a page that has to be made."""
        return self._steps[page]

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
        word, step = at << _SHIFT | source << _KIND_BITS | kind, stride << _SHIFT
        if isinstance(addresses, range) and len(addresses) > RUN:
            # In pieces: what is made on the way would take more than what is kept.
            for begin in range(0, len(addresses), RUN):
                self.note(addresses[begin : begin + RUN], at + begin * stride, stride, kind, source)
            return
        numbers = [address // self.page_size for address in addresses]
        count = len(numbers)
        if isinstance(self._places, array) and numbers == list(range(numbers[0], numbers[0] + count)):
            words = range(word, word + count * step, step) if step else [word] * count
            self._places[numbers[0] : numbers[0] + count] = array("Q", words)
            return
        for index, page in enumerate(numbers):
            self._places[page] = word + index * step

    def forget(self, start: int, size: int) -> None:
        """Take back what was sent for `size` bytes of the block from `start` on: it is sent again, or is not there."""
        for page in range(max(start, 0) // self.page_size, min(start + size, self.size) // self.page_size):
            self._places[page] = MISSING
            self._steps.pop(page, None)

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
        stop = first + count
        while first < stop:
            words = array("Q", self._places[first : min(stop, first + RUN)])
            if words[0] & 3 == PLAIN and _is_even(words):
                yield self._plain_run(first, words)
                first += len(words)
                continue
            kinds = [word & 3 for word in words]
            begin = 0
            while begin < len(words):
                kind, end = kinds[begin], begin + 1
                while end < len(words) and kinds[end] == kind:
                    end += 1
                if kind == PLAIN:
                    yield self._plain_run(first + begin, words[begin:end])
                elif kind == MADE:
                    for page in range(first + begin, first + end):
                        content = self._made(page)
                        yield Run(page, 1, MISSING if content is None else PLAIN, [memoryview(content or b"")])
                else:
                    yield Run(first + begin, end - begin, kind, [])
                begin = end
            first += len(words)

    def _plain_run(self, first: int, words: array[int]) -> Run:
        """Pages that stand as they are, from number `first` on."""
        size, sources = self.page_size, self._sources

        def views() -> list[memoryview]:
            places = ((sources[word >> _KIND_BITS & 0x3FF], word >> _SHIFT) for word in words)
            return [source[at : at + size] for source, at in places]

        if words[0] >> _KIND_BITS & 0x3FF or not _is_even(words):
            return Run(first, len(words), PLAIN, views)
        gap = 0 if len(words) == 1 else (words[1] - words[0] >> _SHIFT) - size
        return Run(first, len(words), PLAIN, views, words[0] >> _SHIFT, gap)


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
            yield Run(first, end - first, PLAIN if is_there else ZERO, views, at if is_there else None)
            first = end


class CutMappedPages(MappedPages):
    """Pages of a mapped-ram file that breaks off.

    Bitmaps are written last: a page without its bit is known where it has bytes; where it has none it is zero, or was
    not written yet.
    """

    def _is_there(self, page: int) -> bool:
        size, at = self.page_size, self._start + page * self.page_size
        if at < 0 or at + size > len(self._data):
            return False
        content = bytes(self._data[at : at + size])
        return content.count(0) < size or (page >> 3 < len(self._bits) and super()._is_there(page))

    def content(self, page: int) -> bytes | None:
        """The bytes of a page; None where it is not known."""
        return super().content(page) if self._is_there(page) else None

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """All pages from `first` on, in order, in runs of one kind."""
        size, stop = self.page_size, first + count
        while first < stop:
            is_there, end = self._is_there(first), first + 1
            while end < stop and end - first < RUN and self._is_there(end) == is_there:
                end += 1
            at = self._start + first * size
            views = [self._data[at : at + (end - first) * size]] if is_there else []
            yield Run(first, end - first, PLAIN if is_there else MISSING, views, at if is_there else None)
            first = end


class FilePages(BlockPages):
    """Pages that the stream leaves out (x-ignore-shared) and a file has."""

    def __init__(self, name: str, size: int, page_size: int, path: str) -> None:
        super().__init__(name, size, page_size)
        self._path = path

    def content(self, page: int) -> bytes | None:
        """The bytes of a page."""
        with reported(self._path, "the memory file cannot be read: "), open(self._path, "rb") as file:
            file.seek(page * self.page_size)
            return file.read(self.page_size).ljust(self.page_size, b"\0")

    def place(self, page: int) -> tuple[int, int] | None:
        """Nowhere in the input."""
        return None

    def runs(self, first: int, count: int) -> Iterator[Run]:
        """All pages from `first` on, in order."""
        size = self.page_size
        with reported(self._path, "the memory file cannot be read: "), open(self._path, "rb") as file:
            file.seek(first * size)
            while count:
                length = min(count, RUN // 4)
                content = file.read(length * size).ljust(length * size, b"\0")
                is_zero = content.count(0) == len(content)
                yield Run(first, length, ZERO if is_zero else PLAIN, [] if is_zero else [memoryview(content)])
                first += length
                count -= length


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


class Channel:
    """Pages that came another way than through the stream, of a `kind`, in so many files (`count`).

    `lacks` says in words what of it was not given; "" where nothing is known to lack. `inputs` are the opened files.
    """

    kind: str
    count = 1
    lacks = ""
    inputs: Sequence[Any] = ()

    def fill(self, epoch: int | None, blocks: Mapping[str, SentPages], sources: list[memoryview]) -> None:
        """Note the pages in `blocks`, and what they stand in in `sources`: those of an epoch, which ends where the main
        stream has a mark; None for all that are left.
        """
        raise NotImplementedError


class NotedRun(NamedTuple):
    """Pages of one kind of a block: the address of each, and where the first one's bytes stand, each `stride` bytes
    behind the one before."""

    block: str
    kind: str
    addresses: range
    at: int
    stride: int

    def goes_on(self, block: str, kind: str, at: int, stride: int) -> bool:
        """Whether what stands there can be more of this one."""
        return (self.block, self.kind, self.stride) == (block, kind, stride) and (
            self.at + len(self.addresses) * stride == at
        )
