"""An index of the pages of a stream, kept beside it: where each page stands, so that no record is passed again.

A file of little-endian words: 8 bytes of magic, u32 CRC-32 of all that follows, u64 bytes that follow, u32 bytes of a
JSON text, the text, and what it names by offsets from its own end on. The text says of which stream it is (the number
of its bytes, where in its file it begins, and a digest of samples of them), where the machine has its memory, and of
each block where its pages are told: (n + 1) u64 offsets of n chunks of `CHUNK` pages. A chunk is nothing (no page of it
was sent), 16 bytes (the first word and the step to the next), or more: the words' differences, packed by zlib. A word
is that of `vmstate.stream.memory_pages`; its source is the stream, or a file of its further channels, which the text
lists by what they are known by (`further`). Pages that have to be made have rows of their own, packed by zlib as well.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any

from vmstate.errors import StreamError
from vmstate.stream.memory_map import MemoryMap, MemoryRange
from vmstate.stream.memory_pages import MADE, PLAIN, SentPages, Step
from vmstate.stream.ram_records import RamBlock

MAGIC = b"VMSTIDX1"
CHUNK = 1 << 12
"""Pages that are told together."""

KEPT = 1 << 11
"""Chunks whose words are kept once they are unpacked: 64 MiB."""

SAMPLE = 64 << 10
"""Bytes from the first and up to the last that a digest is of."""
SAMPLES = 64
"""Pages in between that it is of, too."""

AT = 1 << 12
"""A word is its place times this, and below it the source and the kind."""

_HEAD = struct.Struct("<8sIQI")
_EVEN = struct.Struct("<QQ")
_ROW = struct.Struct("<QBQI")
_WORD = (1 << 64) - 1
_KINDS = ("page", "zero", "xbzrle", "compressed")
_SMALLEST_RECORD = 9
"""Bytes of a stream at least for each row of a page that is made."""


def identity_of(data: memoryview, origin: int) -> dict[str, Any]:
    """By what a stream is known again: its size in bytes, where it begins, and the sha256 of its beginning, its end,
    and pages at even distances in between.
    """
    size = len(data)
    digest = sha256(data[:SAMPLE])
    digest.update(data[max(0, size - SAMPLE) :])
    for number in range(1, SAMPLES):
        at = size * number // SAMPLES
        digest.update(data[at : at + 4096])
    return {"size": size, "origin": origin, "sha256": digest.hexdigest()}


class PageIndex:
    """An index that was read. `map` is where the machine has its memory, `placed` what was told about that, and
    `page_size` that of the target in bytes.
    """

    def __init__(self, data: memoryview, name: str) -> None:
        """Raises `StreamError` for what is no index, or is damaged."""
        self.name = name
        self._data = data
        text = self._checked()
        try:
            known = json.loads(text)
            self.identity: dict[str, Any] = dict(known["identity"])
            self.further_known: list[dict[str, Any]] = list(map(dict, known["further"]))
            self.page_size = int(known["page_size"])
            self.placed = {str(block): int(address) for block, address in known["placed"].items()}
            told = known["map"]
            ranges = tuple(
                MemoryRange(int(at), int(size), str(of), int(start)) for at, size, of, start in told["ranges"]
            )
            unplaced, others = tuple(map(str, told["unplaced"])), tuple(map(str, told["others"]))
            self.map = MemoryMap(ranges, unplaced, others, str(told["source"]))
            self._blocks = {str(block): (int(size), *map(int, places)) for block, size, *places in known["blocks"]}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise self.damaged(f"{type(error).__name__}: {error}") from None
        self._further: list[memoryview] = []
        if not 0 < self.page_size <= 1 << 20 or self.page_size & (self.page_size - 1):
            raise self.damaged(f"pages of {self.page_size} bytes")

    def _checked(self) -> bytes:
        data = self._data
        if bytes(data[:8]) != MAGIC or len(data) < _HEAD.size:
            raise StreamError(
                "is no index of a stream", file=self.name, expected="a file that --index made, or a name that is free"
            )
        _, crc, size, length = _HEAD.unpack_from(data)
        if len(data) != 20 + size:
            raise self.damaged(f"{len(data)} bytes in place of {20 + size}")
        if zlib.crc32(data[20:]) != crc:
            raise self.damaged("another CRC-32")
        if _HEAD.size + length > len(data):
            raise self.damaged("no room for its text")
        self._start = _HEAD.size + length
        return bytes(data[_HEAD.size : self._start])

    def damaged(self, how: str) -> StreamError:
        """What to raise where the index cannot be right."""
        return StreamError("the index is damaged: remove it, and it is made anew", file=self.name, found=how)

    def take_further(self, given: Sequence[tuple[str, memoryview]]) -> None:
        """Take the files of the further channels, (name, bytes) each, in any order; some may be something else.

        Raises `StreamError` where one that the index is of is not among them.
        """
        left = [(name, data, len(data)) for name, data in given]
        for known in self.further_known:
            fits = (each for each in left if each[2] == known.get("size") and identity_of(each[1], 0) == known)
            channel = next(fits, None)
            if channel is None:
                raise StreamError(
                    "is the index of a stream with further channels (--channel), and one of them is not given",
                    file=self.name,
                    expected=f"a channel of {known.get('size')} bytes with its digest",
                    found=", ".join(name for name, _, _ in left[:4]) or "none",
                )
            left.remove(channel)
            self._further.append(channel[1])

    def check(self, data: memoryview, origin: int, blocks: Sequence[RamBlock]) -> None:
        """Raise `StreamError` where it is the index of another stream."""
        if identity_of(data, origin) != self.identity:
            sizes = f"{self.identity.get('size')} bytes from {self.identity.get('origin')} on"
            raise StreamError(
                "is the index of another file, or of this one before it was changed",
                file=self.name,
                expected=f"a stream of {sizes} with its digest",
                found=f"{len(data)} bytes from {origin} on",
            )
        if len(self._further) != len(self.further_known):
            raise self.damaged("other channels than the stream has")
        sent = {block.idstr: block.used_length for block in blocks}
        if {name: block[0] for name, block in self._blocks.items()} != sent:
            raise self.damaged("other RAM blocks than the stream has")
        if not all(map(self._is_inside, self.map.ranges)):
            raise self.damaged("memory outside its RAM blocks")

    def _is_inside(self, memory_range: MemoryRange) -> bool:
        size = self._blocks.get(memory_range.block, (0,))[0]
        address, offset = memory_range.address, memory_range.offset
        is_even = offset % self.page_size == 0 <= offset and 0 <= address < 1 << 64
        return is_even and 0 < memory_range.size <= size - offset

    def pages_of(self, name: str, sources: list[memoryview]) -> SentPages:
        """The pages of a block whose bytes are in the first of `sources`. Raises `StreamError`."""
        if len(self._blocks[name]) != 5:
            raise self.damaged(f"nothing of the pages of {name!r}")
        size, chunks_at, rows_at, rows_size, row_count = self._blocks[name]
        whole = [*sources, *self._further]
        return _IndexedPages(self, name, size, whole, chunks_at, (rows_at, rows_size, row_count))

    def part(self, at: int, size: int) -> memoryview:
        """Bytes behind the text."""
        at += self._start
        if at < self._start or size < 0 or at + size > len(self._data):
            raise self.damaged("something outside of it")
        return self._data[at : at + size]


class _IndexedPages(SentPages):
    """Pages of a block, by an index."""

    def __init__(
        self,
        index: PageIndex,
        name: str,
        size: int,
        sources: list[memoryview],
        chunks_at: int,
        rows: tuple[int, int, int],
    ) -> None:
        super().__init__(name, size, index.page_size, sources, is_dense=False)
        self._places = _IndexedPlaces(index, self.count, list(map(len, sources)), chunks_at)
        self._steps = _IndexedSteps(index, len(sources[0]), *rows)


class _IndexedPlaces:
    """The words of a block's pages, unpacked chunk by chunk."""

    def __init__(self, index: PageIndex, count: int, ends: Sequence[int], chunks_at: int) -> None:
        self._index = index
        self._count = count
        self._ends = ends
        self._chunks = -(-count // CHUNK)
        self._offsets = index.part(chunks_at, 8 * (self._chunks + 1))
        self._kept: dict[int, Sequence[int]] = {}

    def __getitem__(self, key: int | slice) -> Any:
        if not isinstance(key, slice):
            number, at = divmod(key, CHUNK)
            return self._words(number)[at]
        words: list[int] = []
        first, stop = key.start, min(key.stop, self._count)
        while first < stop:
            number, at = divmod(first, CHUNK)
            words += self._words(number)[at : at + stop - first]
            first = (number + 1) * CHUNK
        return words

    def _words(self, number: int) -> Sequence[int]:
        words = self._kept.get(number)
        if words is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            words = self._kept[number] = self._unpacked(number)
        return words

    def _unpacked(self, number: int) -> Sequence[int]:
        count = min(CHUNK, self._count - number * CHUNK)
        begin, end = struct.unpack_from("<QQ", self._offsets, 8 * number)
        packed = self._index.part(begin, end - begin)
        words: Sequence[int]
        if not packed:
            return [0] * count
        if len(packed) == _EVEN.size:
            word, step = _EVEN.unpack(packed)
            words = range(word, word + count * step, step) if step else [word] * count
            shown = [word, word + (count - 1) * step] if step % AT == 0 else [_WORD]
        else:
            differences = struct.unpack(f"<{count}Q", _inflated(self._index, packed, 8 * count))
            words = shown = [word & _WORD for word in accumulate(differences)]
        for source in {word % AT >> 2 for word in shown}:
            if source >= len(self._ends):
                raise self._index.damaged("a page in another file")
            inside = [word for word in shown if word % AT >> 2 == source]
            last = max((word for word in inside if word & 3 == PLAIN), default=0)
            end = self._ends[source]
            if max(inside) // AT > end or (last and last // AT + self._index.page_size > end):
                raise self._index.damaged("a page behind the end of the stream")
        return words


class _IndexedSteps(dict[int, "list[Step]"]):
    """What was sent for the pages that have to be made, read when the first of them is asked for."""

    def __init__(self, index: PageIndex, end: int, at: int, size: int, count: int) -> None:
        super().__init__()
        self._index = index
        self._end = end
        self._rows: tuple[int, int, int] | None = (at, size, count)

    def __missing__(self, page: int) -> list[Step]:
        if self._rows is None:
            raise self._index.damaged("a page of which nothing is told")
        at, size, count = self._rows
        self._rows = None
        if not 0 <= count <= self._end // _SMALLEST_RECORD:
            raise self._index.damaged("more rows than records")
        for number, kind, begin, length in _ROW.iter_unpack(
            _inflated(self._index, self._index.part(at, size), count * _ROW.size)
        ):
            if kind >= len(_KINDS) or begin + length > self._end:
                raise self._index.damaged("a page behind the end of the stream")
            self.setdefault(number, []).append((0, _KINDS[kind], begin, length))
        return self[page]


def _inflated(index: PageIndex, packed: memoryview, size: int) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(packed, size) if size else b""
    except zlib.error as error:
        raise index.damaged(str(error)) from None
    if len(plain) != size:
        raise index.damaged(f"{len(plain)} bytes in place of {size}")
    return plain


# Writing.


def index_pieces(
    identity: Mapping[str, Any],
    known: MemoryMap,
    placed: Mapping[str, int],
    blocks: Mapping[str, SentPages | int],
    page_size: int,
    further: Sequence[Mapping[str, Any]] = (),
) -> list[bytes]:
    """The bytes of an index: of each block its pages, or its size where they have fixed places in the file. `further`
    are the identities of the files of further channels, in the order of the sources of pages. Raises `StreamError`.
    """
    body: list[bytes] = []
    at = 0
    listed: list[list[Any]] = []
    for name, pages in blocks.items():
        if isinstance(pages, int):
            listed.append([name, pages])
            continue
        chunks = list(_chunks(pages))
        offsets = list(accumulate(map(len, chunks), initial=at))
        rows = b"".join(_rows(pages))
        packed = zlib.compress(rows)
        place = offsets[-1]
        directory = struct.pack(f"<{len(offsets)}Q", *offsets)
        body += [*chunks, directory, packed]
        at = place + len(directory) + len(packed)
        listed.append([name, pages.size, place, place + len(directory), len(packed), len(rows) // _ROW.size])
    text = json.dumps(
        {
            "identity": dict(identity),
            "further": list(map(dict, further)),
            "page_size": page_size,
            "placed": dict(placed),
            "map": {
                "source": known.source,
                "ranges": [[each.address, each.size, each.block, each.offset] for each in known.ranges],
                "unplaced": known.unplaced,
                "others": known.others,
            },
            "blocks": listed,
        }
    ).encode()
    behind = [len(text).to_bytes(4, "little"), text, *body]
    crc = 0
    for piece in behind:
        crc = zlib.crc32(piece, crc)
    return [MAGIC, crc.to_bytes(4, "little"), sum(map(len, behind)).to_bytes(8, "little"), *behind]


def _chunks(pages: SentPages) -> Iterator[bytes]:
    for first in range(0, pages.count, CHUNK):
        words = pages.words(first, min(CHUNK, pages.count - first))
        if not any(words):
            yield b""
            continue
        step = words[1] - words[0] if len(words) > 1 else 0
        if step >= 0 and step % AT == 0 and all(word - before == step for before, word in pairwise(words)):
            yield _EVEN.pack(words[0], step)
            continue
        differences = [words[0], *((word - before) & _WORD for before, word in pairwise(words))]
        packed = zlib.compress(struct.pack(f"<{len(words)}Q", *differences))
        # An even one is known by its length.
        yield packed if len(packed) != _EVEN.size else packed + b"\0"


def _rows(pages: SentPages) -> Iterator[bytes]:
    for first in range(0, pages.count, CHUNK):
        for number, word in enumerate(pages.words(first, min(CHUNK, pages.count - first)), first):
            if word & 3 == MADE:
                for source, kind, at, length in pages.steps(number):
                    if source:
                        raise StreamError("an index has no pages that are made of what a further channel has")
                    yield _ROW.pack(number, _KINDS.index(kind), at, length)
