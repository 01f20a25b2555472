"""Plain bytes out of compressed ones, piece by piece."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Protocol

from vmstate.errors import StreamError
from vmstate.files import PIECE

if TYPE_CHECKING:
    pass


class _Decompressor(Protocol):
    """The shape that the standard library's decompressors share; one object decodes one member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decompressed(pieces: Iterator[bytes], form: str, name: str) -> Iterator[bytes]:
    """The plain bytes of one or more compressed members, in pieces of at most about PIECE.

    `form` is one of `DECOMPRESSORS`; `name` is for messages. Raises `StreamError`.
    """
    data = b""
    while True:
        data = (yield from _member(data, pieces, form, name)).lstrip(b"\0")
        while not data:  # members may follow each other, and zero bytes may pad the last
            following = next(pieces, None)
            if following is None:
                return
            data = following.lstrip(b"\0")


def _member(data: bytes, pieces: Iterator[bytes], form: str, name: str) -> Generator[bytes, None, bytes]:
    """Yields one member's plain bytes and returns what was read beyond it."""
    try:
        decompressor = DECOMPRESSORS[form]()
    except ImportError:
        raise StreamError(
            f"is compressed with {form}, which needs a package: pip install 'qemu-vmstate[compression]'",
            file=name,
        ) from None
    while not decompressor.eof:
        if decompressor.needs_input and not data:
            data = next(pieces, b"")
            if not data:
                raise StreamError(f"the {form} data ends too early", file=name)
        try:
            plain = decompressor.decompress(data, PIECE)
        except Exception as error:  # every package has its own kinds
            raise StreamError(f"the {form} data is damaged: {error}", file=name) from error
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


DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _Gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
    "lz4": _lz4,
}
"""What decompresses each form; making one imports what it needs."""
