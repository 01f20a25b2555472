"""Any source of a stream as plain bytes that are all at hand.

A stream can be larger than memory, so nothing here holds all of it: a plain file is mapped, and what must be
decompressed or read from a pipe goes to an unlinked temporary file, mapped as well, once it outgrows a fixed amount of
memory.

Compressed forms are known by their first bytes, never by a file's name. A migration stream begins with "QEVM", so none
of them can be taken for one.
"""

from __future__ import annotations

import io
import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, runtime_checkable

from vmstate.errors import StreamError, VMStateError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from vmstate.saved.containers import Container
    from vmstate.saved.mapped import Guard
from vmstate.files import HOLE, PIECE, reported
from vmstate.stream.events import MAGIC

IN_MEMORY = 64 << 20
"""Bytes of decompressed or piped input that stay in memory; beyond, all of it goes to disk."""

LIMIT = 64 << 30
"""Bytes of decompressed or piped input that are accepted unless the caller says otherwise.

A few kilobytes can decompress to a full disk: the limit is what a large machine's memory takes.
"""

READ = 4 << 20
"""Bytes of a plain file that is read; a larger one is mapped."""

UNKNOWN = 1 << 20
"""Bytes that are taken of what begins like nothing that is read here, decompressed or piped."""

TEXT = 256 << 20
"""Bytes that are taken of a text, decompressed or piped: the documents and schemas of large machines are a tenth."""

FORMS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x89LZO\0\r\n\x1a\n": "lzop",
}
"""The first bytes of what is compressed, and the form that they mean (`vmstate.saved.compressed`)."""

HOLDS_A_STREAM = (MAGIC, b"Libv", b"QFI\xfb", b"VMA\0")
"""The first bytes of a stream, and of what one can be in (`vmstate.saved.containers`)."""

LONGEST_MAGIC = max(map(len, FORMS))

ENDINGS = (".xz", ".gz", ".bz2", ".zst", ".lz4", ".lzo")
"""How the names of compressed files end. What a file is its magic says."""


def form_of(head: bytes | memoryview) -> str | None:
    """The compressed form whose data begins so; None for plain bytes."""
    return next((form for magic, form in FORMS.items() if head[: len(magic)] == magic), None)


def plain_pieces(pieces: Iterator[bytes], form: str, name: str) -> Iterator[bytes]:
    """What compressed bytes stand for."""
    # Most input is plain.
    from vmstate.saved.compressed import decompressed

    return decompressed(pieces, form, name)


@runtime_checkable
class BinaryFile(Protocol):
    """What `open_input` needs of a file object: up to that many bytes, none at the end."""

    def read(self, size: int, /) -> bytes | None: ...


StreamLike: TypeAlias = "str | os.PathLike[str] | ReadableBuffer | BinaryFile"
"""Whatever a stream can be opened from: a path ("-" is standard input), bytes, or a binary file; compressed or not."""


class Mapping(mmap.mmap):
    """A file that is mapped to be read."""

    def let_go(self) -> None:
        """Let the system drop what memory it holds; the bytes stay readable."""
        with suppress(OSError, AttributeError):
            self.madvise(mmap.MADV_DONTNEED)


class Input:
    """Bytes that are all at hand, in memory or mapped.

    `data` is a read-only view of bytes, valid until `close`; `name` is for messages. Where they were taken out of
    something, `container` says what, and `origin` where in the file the first of them stands; `further` are the files
    with the other channels of its migration.
    """

    __slots__ = ("_mapping", "base", "container", "data", "further", "guard", "name", "origin")

    def __init__(
        self,
        data: memoryview,
        name: str,
        mapping: mmap.mmap | None = None,
        base: int = 0,
        guard: Guard | None = None,
    ) -> None:
        self.data = data
        self.name = name
        self.container: Container | None = None
        self.origin = 0
        self.further: Sequence[str] = ()
        self._mapping = mapping
        self.base = base
        self.guard = guard

    def check(self) -> None:
        """Raise StreamError where the file has been cut short since it was opened: then zeros stand in its place."""
        if self.guard is not None:
            self.guard.check(self.name)

    def again(self) -> Input:
        """The same bytes for another reader, who may close what is given, and who lets go of what is passed."""
        again = Input(memoryview(self.data), self.name, self._mapping, self.base, self.guard)
        again.container, again.origin, again.further = self.container, self.origin, self.further
        return again

    def moved(self, start: int) -> Input:
        """The same bytes from `start` on. This object is not to be used any more."""
        moved = Input(self.data[start:], self.name, self._mapping, self.base + start, self.guard)
        moved.origin = self.origin + start
        return moved

    def release(self, start: int, end: int) -> None:
        """Let the system drop the memory of data[start:end]; the bytes stay readable.

        A scan that gives back what it has passed keeps resident memory small however long the
        stream is. Offsets are in bytes; the pages at both edges are kept unless wholly inside.
        Does nothing where the data is not mapped. Raises StreamError as `check` does.
        """
        self.check()
        if self._mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
            return
        page = mmap.PAGESIZE
        first = -(-(max(start, 0) + self.base) // page) * page
        last = (min(end, len(self.data)) + self.base) // page * page
        if first < last:
            with suppress(OSError):
                self._mapping.madvise(mmap.MADV_DONTNEED, first, last - first)

    def pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """data[start:end], each piece let go of when the next is asked for; `HOLE` where the file has a hole."""
        data = start
        for at in range(start, end, PIECE):
            if self.guard is not None and at >= data:
                data = self.guard.data_from(self.base + at) - self.base
            if at + PIECE <= min(data, end):
                yield HOLE
                continue
            yield self.data[at : min(at + PIECE, end)]
            self.release(at, at + PIECE)

    def close(self) -> None:
        """Give up the data. A view taken from it stays valid and keeps the mapping until it goes."""
        with suppress(BufferError):
            self.data.release()
            if self._mapping is not None:
                self._mapping.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            if error is None or isinstance(error, VMStateError):
                # What was made of zeros is no answer, and what was wrong with them no reason.
                self.check()
        finally:
            self.close()


def open_input(source: StreamLike, *, limit: int = LIMIT, part: str | None = None) -> Input:
    """Open a path, "-" (standard input), bytes, or a binary file object, compressed or not.

    A file object is read from where it stands and stays open. `limit` is the greatest number of
    bytes accepted from a compressed or piped source; a plain file or bytes may have any size. Of a save image of
    libvirt or a disk image with a snapshot the stream in it is opened. `part` says which: the name of a snapshot, or
    the offset at which a stream begins; a path may end with it, behind an @.

    Raises StreamError: no such file, a directory, no permission, damaged or cut compressed data,
    more than `limit` bytes, no room on disk, or a compression whose package is not installed.
    """
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    further = getattr(source, "further", ())
    if part is None and ("@" in path or further):
        from vmstate.saved.parts import split

        source, part = split(path)
    opened = _opened(source, limit)
    opened.further = further or opened.further
    if part is None and (bytes(opened.data[:4]) == MAGIC or not opened.data):
        return opened
    # Most files hold nothing but a stream.
    from vmstate.saved.containers import unwrapped

    return unwrapped(opened, limit, part)


def open_raw(name: str, limit: int = LIMIT) -> Input:
    """A file as it is but for compression, whatever it holds; `name` may end with a part, as for `open_input`."""
    if "@" in name:
        from vmstate.saved.parts import split

        name, _ = split(name)
    return _opened(name, limit)


def _opened(source: StreamLike, limit: int) -> Input:
    if isinstance(source, str | os.PathLike) and source != "-":
        return _open_path(source, limit)
    # Most input has a path.
    from vmstate.saved.without_path import open_without_path

    return open_without_path(source, limit)


def _open_path(path: str | os.PathLike[str], limit: int) -> Input:
    name = os.fspath(path)
    with reported(name):
        try:
            file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed below, once reported)
        except IsADirectoryError:
            from vmstate.saved.channels import open_folder

            return open_folder(name, limit)
    with file:
        return _read_if_small(file, name) or open_file(file, name, limit)


def _read_if_small(file: io.FileIO, name: str) -> Input | None:
    """A plain regular file in memory; None where it is large or has to be read otherwise."""
    descriptor = file.fileno()
    with reported(name):
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= READ:
            return None
        data = os.pread(descriptor, status.st_size, 0)
    if len(data) < status.st_size:
        raise StreamError("the file was cut short while it was read", file=name)
    return Input(memoryview(data), name) if form_of(data[:LONGEST_MAGIC]) is None else None


def open_file(file: BinaryFile, name: str, limit: int) -> Input:
    """A binary file from where it stands."""
    with reported(name):
        mapped = _mapped_if_plain(file, name)
    if mapped is not None:
        return mapped
    return _from_pieces(_pieces_of(file, name), name, limit)


def _mapped_if_plain(file: BinaryFile, name: str) -> Input | None:
    """The rest of a plain regular file as a map; None where it has to be read instead."""
    raw = file.raw if isinstance(file, io.BufferedReader) else file
    # Only these: a GzipFile, too, has a descriptor, which is not of what it reads.
    if not isinstance(raw, io.FileIO) or not isinstance(file, io.FileIO | io.BufferedReader):
        return None
    status = os.fstat(raw.fileno())
    # Files of /proc are regular and say that they are empty, which they are not.
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return None
    start = file.tell()
    if form_of(os.pread(raw.fileno(), LONGEST_MAGIC, start)) is not None:
        return None
    try:
        mapping = Mapping(raw.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:  # some file systems have no maps
        return None
    # Few files are large enough to be mapped.
    from vmstate.saved.mapped import guarded

    guard = guarded(mapping, raw.fileno())
    return Input(memoryview(mapping)[start:], name, mapping, min(start, len(mapping)), guard)


def _pieces_of(file: BinaryFile, name: str) -> Iterator[bytes]:
    while True:
        with reported(name):
            piece = file.read(PIECE)
        if piece is None:
            raise StreamError("no bytes to be had yet from a non-blocking source", file=name)
        if not piece:
            return
        yield piece


def _from_pieces(pieces: Iterator[bytes], name: str, limit: int) -> Input:
    head = b""
    for piece in pieces:  # a pipe may give a byte at a time
        head += piece
        if len(head) >= LONGEST_MAGIC:
            break
    whole = chain([head], pieces)
    form = form_of(head)
    return collected(whole if form is None else plain_pieces(whole, form, name), name, limit)


def collected(pieces: Iterator[bytes], name: str, limit: int) -> Input:
    """The pieces, no more than `limit` bytes of them: in memory or, where they are many, in an unlinked file."""
    return held(_limited(pieces, name, limit), name)


def held(pieces: Iterator[bytes], name: str) -> Input:
    """The pieces, however many they are: in memory or, where they are many, in an unlinked file."""
    memory = bytearray()
    for piece in pieces:
        memory += piece
        if len(memory) > IN_MEMORY:
            from vmstate.saved.mapped import put_on_disk

            mapping = put_on_disk(memory, pieces, name)
            return Input(memoryview(mapping), name, mapping)
    return Input(memoryview(memory).toreadonly(), name)


def _limited(pieces: Iterator[bytes], name: str, limit: int) -> Iterator[bytes]:
    """The pieces as long as they are not too many: what is inside is looked at before the rest is asked for."""
    total = 0
    head = b""
    most = limit
    for piece in pieces:
        if total < _HEAD:
            head += piece[: _HEAD - total]
            most = min(limit, _most_of(head))
        total += len(piece)
        if total > most:
            if most == UNKNOWN:
                from vmstate.saved.foreign import refusal

                raise refusal(head, name)
            raise StreamError(f"holds more than the {most} bytes that are accepted", file=name)
        yield piece


_HEAD = 1 << 17


def _most_of(head: bytes) -> int:
    """How many bytes are taken of what begins so."""
    if head[:4] in HOLDS_A_STREAM or head == MAGIC[: len(head)] or MAGIC + b"\0\0\0\3" in head:
        return LIMIT
    return TEXT if head.lstrip()[:1] in (b"{", b"[", b"") and head.strip() else UNKNOWN
