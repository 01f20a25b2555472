"""Where a stream's bytes come from and where they go: files, pipes, compressed files, atomic writes.

A stream can be larger than memory, so nothing here holds all of it: a plain file is mapped, and
what must be decompressed or read from a pipe goes to an unlinked temporary file, mapped as well,
once it outgrows a fixed amount of memory.

Compressed forms are known by their first bytes, never by a file's name. A migration stream begins
with "QEVM", so none of them can be taken for one.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from ..errors import StreamError
from ..vmsd.data import NamedTuple

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PIECE = 1 << 20
"""Bytes read, decompressed and copied at a time."""

IN_MEMORY = 64 << 20
"""Bytes of decompressed or piped input that stay in memory; beyond, all of it goes to disk."""

LIMIT = 64 << 30
"""Bytes of decompressed or piped input that are accepted unless the caller says otherwise.

A few kilobytes can decompress to a full disk: the limit is what a large machine's memory takes.
"""

ENDINGS = (".xz", ".gz", ".bz2", ".zst", ".lz4")
"""How the names of compressed files end. What a file is its magic says."""

STDIN_NAME = "<stdin>"


@runtime_checkable
class BinaryFile(Protocol):
    """What `open_input` needs of a file object: up to that many bytes, none at the end."""

    def read(self, size: int, /) -> bytes | None: ...


class Input:
    """Bytes that are all at hand, in memory or mapped.

    `data` is a read-only view of bytes, valid until `close`; `name` is for messages.
    """

    __slots__ = ("_base", "_mapping", "data", "name")

    def __init__(self, data: memoryview, name: str, mapping: mmap.mmap | None = None, base: int = 0) -> None:
        self.data = data
        self.name = name
        self._mapping = mapping
        self._base = base

    def release(self, start: int, end: int) -> None:
        """Let the system drop the memory of data[start:end]; the bytes stay readable.

        A scan that gives back what it has passed keeps resident memory small however long the
        stream is. Offsets are in bytes; the pages at both edges are kept unless wholly inside.
        Does nothing where the data is not mapped.
        """
        if self._mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
            return
        page = mmap.PAGESIZE
        first = -(-(max(start, 0) + self._base) // page) * page
        last = (min(end, len(self.data)) + self._base) // page * page
        if first < last:
            with suppress(OSError):
                self._mapping.madvise(mmap.MADV_DONTNEED, first, last - first)

    def close(self) -> None:
        """Give up the data. A view taken from it stays valid and keeps the mapping until it goes."""
        with suppress(BufferError):
            self.data.release()
            if self._mapping is not None:
                self._mapping.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_input(source: str | os.PathLike[str] | ReadableBuffer | BinaryFile, *, limit: int = LIMIT) -> Input:
    """Open a path, "-" (standard input), bytes, or a binary file object, compressed or not.

    A file object is read from where it stands and stays open. `limit` is the greatest number of
    bytes accepted from a compressed or piped source; a plain file or bytes may have any size.

    Raises StreamError: no such file, a directory, no permission, damaged or cut compressed data,
    more than `limit` bytes, no room on disk, or a compression whose package is not installed.
    """
    if isinstance(source, str) and source == "-":
        return _open_stdin(limit)
    if isinstance(source, str | os.PathLike):
        return _open_path(source, limit)
    view = _view_of(source)
    if view is not None:
        return _open_bytes(view, limit)
    if not isinstance(source, BinaryFile):
        raise TypeError("a path, bytes or a binary file object is needed")
    return _open_file(source, _name_of(source), limit)


def _view_of(source: object) -> memoryview | None:
    """The bytes of an object that has the buffer protocol, as one row of bytes."""
    try:
        view = memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        return None
    try:
        return view.cast("B")
    except (TypeError, ValueError):  # strided, or of a format that has no cast
        return memoryview(view.tobytes())


def _open_stdin(limit: int) -> Input:
    file = getattr(sys.stdin, "buffer", None)
    if file is None:
        raise StreamError("there is no standard input to read bytes from", file=STDIN_NAME)
    return _open_file(file, STDIN_NAME, limit)


def _open_path(path: str | os.PathLike[str], limit: int) -> Input:
    name = os.fspath(path)
    with _reported(name):
        file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed below, once reported)
    with file:
        return _open_file(file, name, limit)


def _open_bytes(view: memoryview, limit: int) -> Input:
    name = "<bytes>"
    form = _form_of(view[:_LONGEST_MAGIC])
    if form is None:
        return Input(view.toreadonly(), name)
    slices = (bytes(view[at : at + PIECE]) for at in range(0, len(view), PIECE))
    return _collected(_decompressed(slices, form, name), name, limit)


def _open_file(file: BinaryFile, name: str, limit: int) -> Input:
    with _reported(name):
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
    if _form_of(os.pread(raw.fileno(), _LONGEST_MAGIC, start)) is not None:
        return None
    try:
        return _mapped(raw.fileno(), name, start)
    except OSError:  # some file systems have no maps
        return None


def _mapped(descriptor: int, name: str, start: int = 0) -> Input:
    mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    return Input(memoryview(mapping)[start:], name, mapping, min(start, len(mapping)))


def _name_of(file: object) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "<stream>"


def _pieces_of(file: BinaryFile, name: str) -> Iterator[bytes]:
    while True:
        with _reported(name):
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
        if len(head) >= _LONGEST_MAGIC:
            break
    whole = chain([head], pieces)
    form = _form_of(head)
    return _collected(whole if form is None else _decompressed(whole, form, name), name, limit)


def _collected(pieces: Iterator[bytes], name: str, limit: int) -> Input:
    limited = _limited(pieces, name, limit)
    memory = bytearray()
    for piece in limited:
        memory += piece
        if len(memory) > IN_MEMORY:
            return _collected_on_disk(memory, limited, name)
    return Input(memoryview(memory).toreadonly(), name)


def _collected_on_disk(memory: bytearray, rest: Iterator[bytes], name: str) -> Input:
    """What is in memory already and the rest, in an unlinked file. Empties `memory`."""
    import tempfile

    what = "cannot be put into a temporary file: "
    with _reported(name, what), tempfile.TemporaryFile(dir=_spool_folder()) as file:
        file.write(memory)
        memory.clear()
        file.writelines(rest)
        file.flush()
        return _mapped(file.fileno(), name)


def _spool_folder() -> str | None:
    """Where large temporary files belong: /tmp is often memory, which is what is to be spared."""
    folder = "/var/tmp"
    return None if "TMPDIR" in os.environ or not os.access(folder, os.W_OK | os.X_OK) else folder


def _limited(pieces: Iterator[bytes], name: str, limit: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise StreamError(f"holds more than the {limit} bytes that are accepted", file=name)
        yield piece


# Compressed forms


class _Decompressor(Protocol):
    """The shape that the standard library's decompressors share; one object decodes one member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Form(NamedTuple):
    name: str
    magic: bytes
    decompressor: Callable[[], _Decompressor]


def _decompressed(pieces: Iterator[bytes], form: _Form, name: str) -> Iterator[bytes]:
    """The plain bytes of one or more compressed members, in pieces of at most about PIECE."""
    data = b""
    while True:
        data = (yield from _member(data, pieces, form, name)).lstrip(b"\0")
        while not data:  # members may follow each other, and zero bytes may pad the last
            following = next(pieces, None)
            if following is None:
                return
            data = following.lstrip(b"\0")


def _member(data: bytes, pieces: Iterator[bytes], form: _Form, name: str) -> Generator[bytes, None, bytes]:
    """Yields one member's plain bytes and returns what was read beyond it."""
    try:
        decompressor = form.decompressor()
    except ImportError:
        raise StreamError(
            f"is compressed with {form.name}, which needs a package: pip install 'qemu-vmstate[compression]'",
            file=name,
        ) from None
    while not decompressor.eof:
        if decompressor.needs_input and not data:
            data = next(pieces, b"")
            if not data:
                raise StreamError(f"the {form.name} data ends too early", file=name)
        try:
            plain = decompressor.decompress(data, PIECE)
        except Exception as error:  # every package has its own kinds
            raise StreamError(f"the {form.name} data is damaged: {error}", file=name) from error
        data = b""
        if plain:
            yield plain
    return decompressor.unused_data or b""


class _Gzip:
    """zlib's decompressor of one gzip member, in the shape of the others."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


class _Zstandard:
    """The zstandard package's decompressor of one frame, in the shape of the others."""

    # It has no bound on what a call gives, but four bytes give at most a block of 128 KiB: small
    # bites keep a bomb's output to some megabytes at a time.
    BITE = 256

    def __init__(self) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._waiting = memoryview(data)
        plain: list[bytes] = []
        size = 0
        while self._waiting and size < max_length and not self._frame.eof:
            bite, self._waiting = self._waiting[: self.BITE], self._waiting[self.BITE :]
            plain.append(self._frame.decompress(bite))
            size += len(plain[-1])
        return b"".join(plain)


def _bzip2() -> _Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> _Decompressor:
    import lzma

    # A header can ask for a dictionary of 4 GiB; the largest preset takes 65 MiB.
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 30)


def _zstd() -> _Decompressor:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdDecompressor()
    return _Zstandard()


def _lz4() -> _Decompressor:
    import lz4.frame

    decompressor: _Decompressor = lz4.frame.LZ4FrameDecompressor()
    return decompressor


_FORMS = (
    _Form("gzip", b"\x1f\x8b", _Gzip),
    _Form("bzip2", b"BZh", _bzip2),
    _Form("xz", b"\xfd7zXZ\x00", _xz),
    _Form("zstd", b"\x28\xb5\x2f\xfd", _zstd),
    _Form("lz4", b"\x04\x22\x4d\x18", _lz4),
)
_LONGEST_MAGIC = max(len(form.magic) for form in _FORMS)


def _form_of(head: bytes | memoryview) -> _Form | None:
    return next((form for form in _FORMS if head[: len(form.magic)] == form.magic), None)


# Writing


def write_atomic(path: str | os.PathLike[str], chunks: Iterable[ReadableBuffer]) -> None:
    """Write a file so that it has either its old content or all of the new one, whatever happens.

    The chunks go to a nameless file in the target's folder, which takes its place when it is on disk: even a process
    that is killed leaves nothing behind. Where the file system has no nameless files it is a temporary one beside the
    target. An existing file's mode is kept, a new one gets what the umask gives. The chunks may be views of the file
    that is replaced. A symbolic link keeps pointing where it does and its file is replaced. A device or pipe is written
    straight into, there being nothing to replace.

    Raises StreamError: a directory, no permission, no room. What `chunks` raises comes through,
    and leaves the old file and no temporary one.
    """
    name = os.fspath(path)
    with replacing(path) as file:
        for chunk in chunks:
            with _reported(name):
                file.write(chunk)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[io.BufferedRandom | io.BufferedWriter]:
    """A file to write into, which takes the place of `path` when the body ends well, as `write_atomic` has it."""
    name = os.fspath(path)
    with _reported(name):
        status = _status(name)
    replaced = status is None or stat.S_ISREG(status.st_mode)
    with _replacement(name, status) if replaced else _straight(name) as file:
        yield file


@contextmanager
def written_elsewhere(path: str | os.PathLike[str]) -> Iterator[str]:
    """The name of an empty file beside `path`, for another process to write, which takes its place when the body ends
    well and goes away when it does not.
    """
    name = os.fspath(path)
    target = os.path.realpath(name)
    with _reported(name):
        temporary = _temporary_name(target)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    try:
        yield temporary
        with _reported(name):
            descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(target))


def _status(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)
    except FileNotFoundError:
        return None


@contextmanager
def _straight(name: str) -> Iterator[io.BufferedWriter]:
    with _reported(name):
        file = open(name, "wb")  # noqa: SIM115 (closed below, each way in its own manner)
    try:
        yield file
        with _reported(name):
            file.close()
    except BaseException:
        _drop(file)
        raise


@contextmanager
def _replacement(name: str, status: os.stat_result | None) -> Iterator[io.BufferedRandom | io.BufferedWriter]:
    """A temporary file that takes the place of `name` when the body ends well, else goes away."""
    target = os.path.realpath(name)
    with _reported(name):
        if status is not None and not os.access(target, os.W_OK):
            # Renaming would get round the protection of the file itself.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        temporary, is_named, file = _temporary_beside(target, private=status is not None)
    try:
        yield file
        with _reported(name):
            file.flush()
            if status is not None:
                os.fchmod(file.fileno(), status.st_mode & 0o777)
            os.fsync(file.fileno())
            if not is_named:
                try:
                    _link(file, target)
                except FileExistsError:
                    # A link cannot take the place of a file that is there; a file with a name can.
                    _link(file, temporary)
                    is_named = True
            if is_named:
                os.replace(temporary, target)
            file.close()
    except BaseException:
        _drop(file)
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(target))


def _drop(file: io.BufferedRandom | io.BufferedWriter) -> None:
    """Close a file that failed: what it still holds would only fail again."""
    with suppress(OSError):
        file.close()


def _temporary_name(target: str) -> str:
    return os.path.join(os.path.dirname(target), f".vmstate-{os.urandom(8).hex()}.tmp")


def _temporary_beside(target: str, *, private: bool) -> tuple[str, bool, io.BufferedRandom | io.BufferedWriter]:
    """A name beside the target, whether the file has it already, and the file: nameless where that can be.

    It is private until the target's mode is copied.
    """
    mode = 0o600 if private else 0o666
    temporary = _temporary_name(target)
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with suppress(OSError):
            descriptor = os.open(os.path.dirname(target), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, mode)
            return temporary, False, open(descriptor, "w+b")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return temporary, True, open(os.open(temporary, flags, mode), "w+b")


def _link(file: io.BufferedRandom | io.BufferedWriter, name: str) -> None:
    """Give a nameless file a name."""
    # Only with a folder's descriptor does Python follow the link in /proc; an absolute path takes no notice of it.
    os.link(f"/proc/self/fd/{file.fileno()}", name, src_dir_fd=file.fileno(), follow_symlinks=True)


def _sync_folder(folder: str) -> None:
    """Make the rename last through a crash, on file systems that can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _reported(name: str, what: str = "") -> Iterator[None]:
    """Turn the system's errors into ours. ValueError is a path that no system takes."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        raise StreamError(f"{what}{reason}", file=name) from error
    except ValueError as error:
        raise StreamError(f"{what}{error}", file=name) from error
