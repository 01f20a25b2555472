"""Files of an object store or file system that fsspec knows, of which as much is read as is needed.

A stream has at its beginning what the machine is and which memory it has, and at its end the devices and what describes
them; between is guest memory. Of a plain stream that is larger than both these ends, what is between them is not read,
nor of an xz file of several blocks, as `xz -T` writes them (of 24 MiB): an index of them stands behind, and each can be
unpacked by itself. What is compressed otherwise is fetched once, piece by piece, and unpacked as it comes; of its plain
bytes the two ends are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import accumulate
from tempfile import TemporaryFile
from typing import BinaryIO

from vmstate.errors import VMStateError
from vmstate.saved.opening import LONGEST_MAGIC, form_of, plain_pieces
from vmstate.schema.vmdesc import read_vmdesc
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import MAGIC, Mark, SectionHeader
from vmstate.stream.reader import StreamReader

HEAD = 256 << 10
"""Bytes that are read of a file's beginning."""

TAIL = 1 << 20
"""Bytes that are read of its end at first; twice as many each time that they do not do."""

MOST = 64 << 20
"""Bytes of its end at most: then all is read, to a temporary file where it is more."""

XZ_END = 12
"""Bytes of the header of an xz stream, and of its footer."""

STEP = 4 << 20
"""Bytes that are fetched at a time of what is fetched to its end."""


def files_at(url: str) -> Iterator[str]:
    """The files at a place. Raises `VMStateError`."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
        if system.isdir(path):
            yield from (system.unstrip_protocol(name) for name in sorted(system.find(path)))
        else:
            yield url
    except ImportError as error:
        missing = f"this place needs {error.name}" if error.name else _reason(error)
        raise VMStateError(f"{missing} (pip install qemu-vmstate[remote])", file=url) from None
    except Exception as error:
        # Each back end has exceptions of its own.
        raise VMStateError(f"the place cannot be read: {_reason(error)}", file=url) from None


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def contents_of(url: str, *, whole: bool = False) -> tuple[bytes | BinaryIO, int, str]:
    """The bytes of a file or of its devices, its size, and which of these it is: "all" or "devices".

    What is compressed is fetched once. A large file is copied to one that has no name. Raises `VMStateError`.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
        size = int(system.info(path)["size"])

        def read(start: int, end: int) -> bytes:
            return bytes(system.cat_file(path, start=start, end=end))

        if whole or size <= HEAD + TAIL:
            return _all_of(size, b"", read), size, "all"
        head = read(0, HEAD)
        form = form_of(head[:LONGEST_MAGIC])
        devices = None
        if form is None:
            devices = _without_memory(head, size, read)
        elif form == "xz" and (blocks := xz_blocks(size, read)) is not None:
            devices = _without_memory(blocks.plain(0, HEAD), blocks.size, blocks.plain)
        elif form is not None:
            return _unpacked(size, head, read, form, url)
        return (_all_of(size, head, read), size, "all") if devices is None else (devices, size, "devices")
    except VMStateError as error:
        raise error.named(url) from None
    except Exception as error:
        raise VMStateError(f"the file cannot be read: {_reason(error)}", file=url) from None


def _pieces(size: int, head: bytes, read: Callable[[int, int], bytes]) -> Iterator[bytes]:
    """All of a file whose beginning is at hand."""
    if head:
        yield head
    for start in range(len(head), size, STEP):
        yield read(start, min(size, start + STEP))


def _all_of(size: int, head: bytes, read: Callable[[int, int], bytes]) -> bytes | BinaryIO:
    """The same in memory or, where it is much, in a file that has no name."""
    pieces = _pieces(size, head, read)
    if size <= MOST:
        return b"".join(pieces)
    with ExitStack() as stack:
        copy = stack.enter_context(TemporaryFile())
        copy.writelines(pieces)
        copy.seek(0)
        stack.pop_all()
        return copy


def _unpacked(
    size: int, head: bytes, read: Callable[[int, int], bytes], form: str, url: str
) -> tuple[bytes | BinaryIO, int, str]:
    """What `contents_of` gives for compressed bytes that must be unpacked from their beginning."""
    with ExitStack() as stack:
        copy = stack.enter_context(TemporaryFile())

        def kept() -> Iterator[bytes]:
            for piece in _pieces(size, head, read):
                copy.write(piece)
                yield piece

        pieces = kept()
        devices = _skimmed(plain_pieces(pieces, form, url))
        if devices is not None:
            return devices, size, "devices"
        # What is in it is to be looked at by itself.
        for _ in pieces:
            pass
        copy.seek(0)
        stack.pop_all()
        return copy, size, "all"


def _skimmed(pieces: Iterator[bytes]) -> bytes | None:
    """A stream that comes piece by piece without what is of memory, of which nothing is held; None as below."""
    reader = StreamReader()
    kept, base, setup = bytearray(), 0, b""
    has_devices = False
    for piece in pieces:
        kept += piece
        if len(kept) > MOST:
            return None
        if has_devices:
            continue
        reader.receive_data(piece)
        last = base
        try:
            for event in reader.events():
                last = event.offset
                if not isinstance(event, SectionHeader) or event.kind == "start":
                    continue
                if event.kind == "full":
                    has_devices = True
                    break
                setup = setup or bytes(kept[: last - base])
        except VMStateError:
            return None
        if setup:
            del kept[: last - base]
            base = last
        elif has_devices:
            return None
    return setup + bytes(kept) if has_devices else None


def _without_memory(head: bytes, size: int, read: Callable[[int, int], bytes]) -> bytes | None:
    """A stream without what is between its first list of memory and its first device; None where it shows neither."""
    end = _end_of_setup(head)
    if end is None:
        return None
    tail, length = b"", TAIL
    while length <= min(MOST, size - end):
        tail = read(size - length, size - len(tail)) + tail
        start = _first_device(tail)
        if start is not None:
            return head[:end] + tail[start:]
        length *= 2
    return None


def _end_of_setup(head: bytes) -> int | None:
    """Where the first part of a section begins that was started: behind all that a source says before any memory."""
    if head[:4] != MAGIC:
        return None
    reader = StreamReader()
    reader.receive_data(head)
    try:
        for event in reader.events():
            if isinstance(event, SectionHeader) and event.kind != "start":
                return event.offset if event.kind == "part" else None
    except VMStateError:
        pass
    return None


def _first_device(tail: bytes) -> int | None:
    """Where the section of the first device begins that the vmdesc names, if it is in the end of a stream."""
    text = find_vmdesc(memoryview(tail))
    if text is None:
        return None
    try:
        first = read_vmdesc(text).devices[0]
        name = first.name.encode()
        words = bytes((len(name),)) + name + first.instance_id.to_bytes(4, "big")
    except (VMStateError, IndexError, ValueError, OverflowError):
        return None
    at = tail.find(words)
    while at >= 0:
        # In front of it stand the mark of a section that is sent in one piece, and its number.
        if at >= 5 and tail[at - 5] == Mark.SECTION_FULL:
            return at - 5
        at = tail.find(words, at + 1)
    return None


class XzBlocks:
    """The plain bytes of an xz file of blocks with so many packed and plain bytes; `read(start, end)` gives its own."""

    def __init__(self, blocks: list[tuple[int, int]], read: Callable[[int, int], bytes]) -> None:
        self._starts = list(accumulate((_padded(packed) for packed, _ in blocks), initial=XZ_END))
        self._plain = list(accumulate((plain for _, plain in blocks), initial=0))
        self._read = read
        self._last: tuple[int, bytes] = (-1, b"")
        self.size = self._plain[-1]

    def plain(self, start: int, end: int) -> bytes:
        """The plain bytes from `start` up to `end`. Raises `StreamError` where a block is damaged."""
        pieces = []
        end = min(end, self.size)
        while start < end:
            number = bisect_right(self._plain, start) - 1
            first = self._plain[number]
            pieces.append(self._block(number)[start - first : end - first])
            start = self._plain[number + 1]
        return b"".join(pieces)

    def _block(self, number: int) -> bytes:
        # What is asked for next is often in the same.
        if self._last[0] != number:
            packed = self._read(0, XZ_END) + self._read(*self._starts[number : number + 2])
            pieces = plain_pieces(iter([packed]), "xz", "")
            length = self._plain[number + 1] - self._plain[number]
            plain = b""
            # Behind the block the others are missed.
            while len(plain) < length:
                plain += next(pieces)
            self._last = number, plain[:length]
        return self._last[1]


def xz_blocks(size: int, read: Callable[[int, int], bytes]) -> XzBlocks | None:
    """The blocks of an xz file of `size` bytes (xz-file-format.txt); None where it has one, or holds more."""
    footer = read(size - XZ_END, size)
    length = (int.from_bytes(footer[4:8], "little") + 1) * 4
    if footer[10:] != b"YZ" or length > min(MOST, size - 2 * XZ_END):
        return None
    numbers: list[int] = []
    value = shift = 0
    # Numbers of seven bits in each byte, the lowest first: of blocks, then packed and plain bytes of each; a checksum.
    for byte in read(size - XZ_END - length, size - XZ_END)[1:-4]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    stop = 2 * numbers[0] + 1 if numbers else 0
    blocks = list(zip(numbers[1:stop:2], numbers[2:stop:2], strict=False))
    whole = 2 * XZ_END + length + sum(_padded(packed) for packed, _ in blocks)
    if len(blocks) < 2 or len(blocks) != numbers[0] or whole != size or max(map(max, blocks)) > MOST:
        return None
    return XzBlocks(blocks, read)


def _padded(size: int) -> int:
    return -(-size // 4) * 4
