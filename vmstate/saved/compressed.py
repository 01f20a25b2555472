"""Plain bytes out of compressed ones, piece by piece."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol

from vmstate.errors import StreamError
from vmstate.files import PIECE
from vmstate.lazy import imported


class _Decompressor(Protocol):
    """The shape that the standard library's decompressors share; one object decodes one member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


BITE = 64 << 10
"""Bytes that a decompressor is given at a time: it hands back what it does not want, which is copied."""

FIRST = 4096
"""Bytes that are asked for at first, to see what they are."""

MEMBERS = 1024
"""Members that may hold hardly anything: each beyond must be of `LEAST` bytes, all together."""

LEAST = 1024

SUSPICIOUS = 16 << 20
"""Bytes that may be decompressed before their number is held against the number of the compressed ones."""

RATIO = 200
"""The most bytes that a compressed one may stand for: the records of pages of zeros, which give most, give 50 in xz."""

MAPPED_RAM = b"mapped-ram"
"""A capability in the head of a stream whose memory lies at fixed places, with holes between."""

WITH_HOLES = (b"QFI\xfb", b"LibvirtQemud")
"""How disk images begin, and save images of libvirt, which can hold such a stream."""

RATIO_WITH_HOLES = 10_000
"""The most bytes for each compressed one of such a stream: nearly all of a machine that never ran is a hole."""

PADDING = 1 << 20
"""Zero bytes that may stand between and behind members."""


def decompressed(pieces: Iterator[bytes], form: str, name: str) -> Iterator[bytes]:
    """The plain bytes of one or more compressed members, in pieces of at most about PIECE, the first of FIRST.

    `form` is one of `DECOMPRESSORS`; `name` is for messages. Raises `StreamError`.
    """
    source = _Source(pieces)
    members = plain_bytes = 0
    ratio = RATIO
    while True:
        for plain in _member(source, form, name, plain_bytes):
            if not plain_bytes and (MAPPED_RAM in plain or plain.startswith(WITH_HOLES)):
                ratio = RATIO_WITH_HOLES
            plain_bytes += len(plain)
            if plain_bytes > SUSPICIOUS and plain_bytes > ratio * source.taken:
                raise StreamError(
                    f"the {form} data is out of proportion: {plain_bytes} bytes of {source.taken}, and more to come",
                    file=name,
                    expected=f"at most {ratio} of each; a file that is decompressed first may have any size",
                )
            yield plain
        members += 1
        if members > MEMBERS + plain_bytes // LEAST:
            raise StreamError(f"the {form} data is of {members} members that hold hardly anything", file=name)
        # Members may follow each other, and zero bytes may pad the last.
        padding = source.skip_zeros(PADDING)
        if padding > PADDING:
            raise StreamError(f"the {form} data is followed by too much padding", file=name)
        if source.is_over():
            return


class _Source:
    """Compressed bytes, taken in bites; what was taken too much can be put back."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")
        self.taken = 0

    def bite(self) -> bytes:
        """Some bytes; none at the end."""
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._piece = memoryview(piece)
        taken, self._piece = self._piece[:BITE], self._piece[BITE:]
        self.taken += len(taken)
        return bytes(taken)

    def put_back(self, data: bytes) -> None:
        """The last bytes of the last bite were too many."""
        if data:
            self.taken -= len(data)
            # They stand in front of the rest of the same piece.
            whole, rest = self._piece.obj, len(self._piece) + len(data)
            same = isinstance(whole, bytes) and whole[len(whole) - rest : len(whole) - len(self._piece)] == data
            self._piece = memoryview(whole)[-rest:] if same else memoryview(data + bytes(self._piece))

    def is_over(self) -> bool:
        """Whether there is nothing more."""
        data = self.bite()
        self.put_back(data)
        return not data

    def skip_zeros(self, most: int) -> int:
        """Pass zero bytes, no more than a bite over `most`; returns how many."""
        passed = 0
        while passed <= most and (data := self.bite()):
            rest = data.lstrip(b"\0")
            passed += len(data) - len(rest)
            if rest:
                self.put_back(rest)
                break
        return passed


def _member(source: _Source, form: str, name: str, before: int) -> Iterator[bytes]:
    """One member's plain bytes; what was read beyond it is put back. `before`: the plain bytes of those before it."""
    try:
        decompressor: _Decompressor = imported(DECOMPRESSORS[form])()
    except ImportError:
        raise StreamError(
            f"is compressed with {form}, which needs a package: pip install {PACKAGES[form]}",
            file=name,
        ) from None
    most = PIECE if before else FIRST
    data = b""
    fruitful = source.taken
    while not decompressor.eof:
        if decompressor.needs_input and not data:
            data = source.bite()
            if not data:
                raise StreamError(f"the {form} data ends too early", file=name)
            if source.taken - fruitful > SUSPICIOUS:
                raise StreamError(f"{SUSPICIOUS} bytes of {form} data stand for nothing", file=name)
        try:
            plain = decompressor.decompress(data, most)
        except Exception as error:  # every package has its own kinds
            raise StreamError(f"the {form} data is damaged: {error}", file=name) from error
        data = b""
        if plain:
            most = PIECE
            fruitful = source.taken
            yield plain
    source.put_back(decompressor.unused_data or b"")


def _xz() -> _Decompressor:
    import lzma

    # A header can ask for a dictionary of 4 GiB; the largest preset takes 65 MiB.
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=128 << 20)


_ZSTD = "compression.zstd:ZstdDecompressor" if sys.version_info >= (3, 14) else "vmstate.saved.zstandard:Frame"
DECOMPRESSORS = {
    "gzip": "vmstate.saved.gzip:Member",
    "bzip2": "bz2:BZ2Decompressor",
    "xz": "vmstate.saved.compressed:_xz",
    "zstd": _ZSTD,
    "lz4": "lz4.frame:LZ4FrameDecompressor",
    "lzop": "vmstate.saved.lzop:Member",
}
"""Where what decompresses each form stands; its import brings what it needs."""

PACKAGES = {"zstd": "zstandard", "lz4": "lz4"}
"""The package that a form needs, where Python has nothing for it."""
