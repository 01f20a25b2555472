"""lzop, which libvirt offers for its save images: a file of blocks that LZO1X has made smaller, and the blocks' sums.

Layout, big-endian: 9 bytes of magic; u16 version, library version, version needed; u8 method, level; u32 flags, [u32
filter], mode, time, high half of the time; u8 length and name; u32 Adler-32 of all that behind the magic (CRC-32 with
flag 0x1000). Then blocks: u32 plain size (0 ends), u32 size, the sums that the flags name, data; equal sizes: stored.
From the format as lzop 1.04 writes it, and the description of the LZO stream in Linux' Documentation/staging/lzo.rst.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

MAGIC = b"\x89LZO\x00\r\n\x1a\n"

BLOCK = 256 << 10
"""Bytes in a block as lzop makes them."""

LARGEST_BLOCK = 64 << 20
"""Bytes in the largest block that lzop reads."""

_ADLER_PLAIN = 0x1
_ADLER_PACKED = 0x2
_EXTRA = 0x40
_CRC_PLAIN = 0x100
_CRC_PACKED = 0x200
_FILTER = 0x800
_CRC_HEADER = 0x1000

_MULTIPART = 0x400

_Sum = Callable[[bytes], int]


class LzopError(ValueError):
    """Data that no lzop writes."""


class Member:
    """The decompressor of one lzop file, in the shape of the others."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._needed = len(MAGIC)
        self._step: Callable[[], bytes] = self._header
        self._plain_sums: list[_Sum] = []
        self._packed_sums: list[_Sum] = []
        self._left = memoryview(b"")
        self.eof = False

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be told without more bytes."""
        return not self._left and not self.eof and len(self._waiting) < self._needed

    @property
    def unused_data(self) -> bytes:
        """What stands behind the end."""
        return bytes(self._waiting) if self.eof else b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many plain bytes; raises `LzopError`."""
        self._waiting += data
        while not self._left and not self.eof and len(self._waiting) >= self._needed:
            self._left = memoryview(self._step())
        taken, self._left = self._left[:max_length], self._left[max_length:]
        return bytes(taken)

    def _wait_for(self, size: int) -> bool:
        """Whether so many bytes are there; where not, they are waited for."""
        self._needed = size
        return len(self._waiting) >= size

    def _header(self) -> bytes:
        if not self._waiting.startswith(MAGIC):
            raise LzopError("no lzop header")
        if not self._wait_for(len(MAGIC) + 16):
            return b""
        version, _, needed, method, _, flags = struct.unpack_from(">HHHBBI", self._waiting, 9)
        if version < 0x940 or needed > 0x1040:
            raise LzopError(f"version {version:#x} of lzop is not known")
        if method not in (1, 2, 3):
            raise LzopError(f"method {method} is not known")
        if flags & (_MULTIPART | _EXTRA | _FILTER):
            raise LzopError(f"flags {flags:#x}: parts of other files and filters are not known")
        name_at = len(MAGIC) + 12 + 12
        if not self._wait_for(name_at + 1):
            return b""
        end = name_at + 1 + self._waiting[name_at]
        if not self._wait_for(end + 4):
            return b""
        sum_of: _Sum = zlib.crc32 if flags & _CRC_HEADER else zlib.adler32
        if sum_of(bytes(self._waiting[len(MAGIC) : end])) != int.from_bytes(self._waiting[end : end + 4], "big"):
            raise LzopError("the sum of the header is wrong")
        plain = ((_ADLER_PLAIN, zlib.adler32), (_CRC_PLAIN, zlib.crc32))
        packed = ((_ADLER_PACKED, zlib.adler32), (_CRC_PACKED, zlib.crc32))
        self._plain_sums = [sum_of for flag, sum_of in plain if flags & flag]
        self._packed_sums = [sum_of for flag, sum_of in packed if flags & flag]
        del self._waiting[: end + 4]
        self._step, self._needed = self._block, 4
        return b""

    def _block(self) -> bytes:
        size = int.from_bytes(self._waiting[:4], "big")
        if not size:
            del self._waiting[:4]
            self.eof = True
            return b""
        if size > LARGEST_BLOCK:
            raise LzopError(f"a block of {size} bytes")
        if not self._wait_for(8):
            return b""
        packed_size = int.from_bytes(self._waiting[4:8], "big")
        if not 0 < packed_size <= size:
            raise LzopError(f"a block of {size} bytes in {packed_size}")
        sums = [*self._plain_sums, *(self._packed_sums if packed_size < size else ())]
        begin = 8 + 4 * len(sums)
        if not self._wait_for(begin + packed_size):
            return b""
        packed = bytes(self._waiting[begin : begin + packed_size])
        plain = packed if packed_size == size else unpacked(packed, size)
        if len(plain) != size:
            raise LzopError(f"a block of {len(plain)} bytes instead of {size}")
        for number, sum_of in enumerate(sums):
            told = int.from_bytes(self._waiting[8 + 4 * number : 12 + 4 * number], "big")
            if sum_of(plain if number < len(self._plain_sums) else packed) != told:
                raise LzopError("the sum of a block is wrong")
        del self._waiting[: begin + packed_size]
        self._needed = 4
        return plain


def unpacked(packed: bytes, size: int) -> bytes:
    """The plain bytes of an LZO1X block, by the package lzallright where it is installed. Raises `LzopError`."""
    if size > BLOCK:
        # The package does not stop where the block should be full.
        return unpacked_here(packed, size)
    try:
        from lzallright import LZOCompressor
    except ImportError:
        return unpacked_here(packed, size)
    try:
        return bytes(LZOCompressor.decompress(packed, size))
    except Exception as error:  # it has kinds of its own
        raise LzopError(f"the LZO data is damaged: {error}") from None


def unpacked_here(packed: bytes, size: int) -> bytes:
    """The same without the package, some fifty times slower, and never more than `size` bytes."""
    try:
        return _unpacked(packed, size)
    except IndexError:
        raise LzopError("the LZO data ends too early") from None


def _unpacked(packed: bytes, size: int) -> bytes:  # noqa: PLR0915 (one loop, in which a call costs half its time)
    out = bytearray()
    at = state = 0

    def literals(count: int) -> None:
        nonlocal at
        if at + count > len(packed) or len(out) + count > size:
            raise LzopError("the LZO data is longer than its block")
        out.extend(packed[at : at + count])
        at += count

    def long_length(least: int) -> int:
        nonlocal at
        zeros = at
        while not packed[at]:
            at += 1
        at += 1
        return least + 255 * (at - 1 - zeros) + packed[at - 1]

    if packed[0] > 17:
        at, count = 1, packed[0] - 17
        literals(count)
        state = min(count, 4)
    while True:
        word = packed[at]
        at += 1
        if word < 16:
            if not state:
                literals(3 + (word or long_length(15)))
                state = 4
                continue
            distance = (packed[at] << 2) + (word >> 2) + (2049 if state == 4 else 1)
            length = 3 if state == 4 else 2
            at += 1
            state = word & 3
        elif word < 64:
            if word < 32:
                length = 2 + (word & 7 or long_length(7))
                distance = 0x4000 + ((word & 8) << 11)
            else:
                length = 2 + (word & 31 or long_length(31))
                distance = 1
            low = packed[at] | packed[at + 1] << 8
            at += 2
            distance += low >> 2
            state = low & 3
            if word < 32 and distance == 0x4000:
                return bytes(out)
        else:
            length = 3 + (word >> 5 & 1) if word < 128 else 5 + (word >> 5 & 3)
            distance = (packed[at] << 3) + (word >> 2 & 7) + 1
            at += 1
            state = word & 3
        if distance > len(out) or len(out) + length > size:
            raise LzopError("the LZO data points outside its block")
        begin = len(out) - distance
        if distance >= length:
            out += out[begin : begin + length]
        else:
            # What is copied is itself part of the copy: a pattern.
            pattern = bytes(out[begin:])
            out += (pattern * (length // distance + 1))[:length]
        literals(state)


def stored(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """An lzop file of plain bytes, in which every block is stored as it is."""
    head = struct.pack(">HHHBBIIIIB", 0x1040, 0x20A0, 0x940, 1, 5, 0x3000003, 0, 0, 0, 0)
    yield MAGIC + head + zlib.adler32(head).to_bytes(4, "big")
    for block in _blocks(pieces):
        yield struct.pack(">III", len(block), len(block), zlib.adler32(block)) + block
    yield bytes(4)


def _blocks(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        whole = len(waiting) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            yield bytes(waiting[start : start + BLOCK])
        del waiting[:whole]
    if waiting:
        yield bytes(waiting)
