"""The records of the `ram` section (idstr "ram", section version 4), as events.

The payload is a row of records, each of which opens with a big-endian 64-bit header: an address in the block it belongs
to (a multiple of the target page size), with flags in the bits below the page size. Every section part (start, part,
end) is such a row and ends with an end-of-section record; the first one also carries the list of memory blocks. Pages
never become objects: consecutive records of one kind come as one `RamPages`.

Facts: QEMU migration/ram.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal, TypeAlias

from vmstate.vmsd.data import Value

PageKind: TypeAlias = Literal["page", "zero", "xbzrle", "compressed"]

ZERO = 0x002
MEM_SIZE = 0x004
PAGE = 0x008
EOS = 0x010
CONTINUE = 0x020
XBZRLE = 0x040
HOOK = 0x080
COMPRESS_PAGE = 0x100
MULTIFD_FLUSH = 0x200
"""Written by make source-facts: 2.4 (5c79ae3615d5) to 10.2 (698104725efa)."""

KIND_OF_FLAG: dict[int, PageKind] = {ZERO: "zero", PAGE: "page", XBZRLE: "xbzrle", COMPRESS_PAGE: "compressed"}
FLAG_OF_KIND = {kind: flag for flag, kind in KIND_OF_FLAG.items()}

HEADER = struct.Struct(">Q")
PREFIX_OF_KIND: dict[PageKind, struct.Struct] = {"xbzrle": struct.Struct(">BH"), "compressed": struct.Struct(">I")}
"""The length of what follows; before it stands an encoding for XBZRLE, always 1."""


class _Record(Value):
    """`offset`: absolute stream offset of the first byte. `raw`: the bytes of the stream, a window
    on the input.
    """

    offset: int
    raw: memoryview

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: a copy of the bytes, since a window on an input cannot be pickled."""
        return {**self.__dict__, "raw": bytes(self.raw)}


class RamSize(_Record):
    """Opens the block list. `total`: bytes of guest memory, the sum of the `used_length` of the
    blocks to come.
    """

    total: int


class MappedRamHeader(Value):
    """Where a block lies in a file written with the mapped-ram capability (QEMU 9.0 and later).

    `version` is 1 (0 is accepted), `page_size` the target's, in bytes. `bitmap_offset` and
    `pages_offset` are file positions. Both 0: the block is shared memory that x-ignore-shared
    leaves out.
    """

    version: int
    page_size: int
    bitmap_offset: int
    pages_offset: int


class RamBlock(_Record):
    """One entry of the block list.

    `used_length`: bytes. `page_size`: of the memory behind the block, in bytes, sent with
    postcopy-ram where it is not the host's usual one (huge pages). `gpa`: guest physical address,
    sent with x-ignore-shared. `mapped`: sent with mapped-ram.
    """

    idstr: str
    used_length: int
    page_size: int | None
    gpa: int | None
    mapped: MappedRamHeader | None


class RamMapped(_Record):
    """A piece of what lies between a block's mapped-ram header and the end of its pages.

    `part` is "bitmap" (one bit per target page, in words of the source host's order: little-endian
    bytes on every little-endian host), "pages", or "padding". `address`: where in the block the
    first byte belongs, for "pages" only. A page whose bit is clear is zero whatever the bytes here
    say. A piece is all of a part where all of the stream is at hand, else 1 MiB of it.
    """

    block: str
    part: Literal["bitmap", "padding", "pages"]
    address: int | None


class RamPages(_Record):
    """A run of 1 to 256 page records of one kind in one block.

    `kind`: "page" (a target page follows each header), "zero" (the byte that it is filled with follows, 0), "xbzrle" (a
    difference to the page sent before) or "compressed" (zlib; capability `compress`, before QEMU
    9.1). `address`: of the first page, in bytes from the start of the block. Only the first record
    can name the block; the others continue it. The addresses need not be consecutive.
    """

    kind: PageKind
    block: str
    address: int
    count: int

    def addresses(self) -> Iterator[int]:
        """The address of each page, in bytes from the start of the block, in stream order."""
        yield self.address
        flags = FLAG_OF_KIND[self.kind] | CONTINUE
        for header in self._later_headers():
            yield header - flags

    def page(self, index: int) -> memoryview:
        """The bytes of page `index` (0 to `count` - 1) of a run of kind "page", a window on `raw`.

        ValueError for a run of another kind, IndexError for another index.
        """
        if self.kind != "page":
            raise ValueError(f"a run of kind {self.kind!r} holds no plain pages")
        return self.body(index)

    def body(self, index: int) -> memoryview:
        """What stands for page `index`: a page, the byte of a zero page, an XBZRLE difference, or zlib data."""
        return self.raw[slice(*self.body_span(index))]

    def body_span(self, index: int) -> tuple[int, int]:
        """Where in `raw` that begins and ends."""
        if not 0 <= index < self.count:
            raise IndexError(f"page {index} of a run of {self.count}")
        at = self._first_body()
        if self.kind in ("page", "zero"):
            size = self._fixed_size()
            at += index * (8 + size)
            return at, at + size
        prefix = PREFIX_OF_KIND[self.kind]
        for number in range(index + 1):
            at += prefix.size
            length = prefix.unpack_from(self.raw, at - prefix.size)[-1]
            if number < index:
                at += length + 8
        return at, at + length

    def _first_body(self) -> int:
        return 8 if self.raw[7] & CONTINUE else 9 + self.raw[8]

    def _fixed_size(self) -> int:
        return (len(self.raw) - self._first_body() + 8) // self.count - 8

    def _later_headers(self) -> Iterator[int]:
        if self.kind in ("page", "zero"):
            size = self._fixed_size()
            rest = self.raw[self._first_body() + size :]
            return chain.from_iterable(struct.iter_unpack(f">Q{size}x", rest))
        return self._walked_headers()

    def _walked_headers(self) -> Iterator[int]:
        prefix = PREFIX_OF_KIND[self.kind]
        at = self._first_body()
        for _ in range(self.count - 1):
            at += prefix.size + prefix.unpack_from(self.raw, at)[-1]
            yield from HEADER.unpack_from(self.raw, at)
            at += 8


class RamHook(_Record):
    """Where RDMA registers memory; the exchange itself is not in the stream."""


class RamMultifdFlush(_Record):
    """Where the multifd channels, which carry the pages, are waited for (QEMU 8.1 and later)."""


class RamEnd(_Record):
    """The end of this section part."""


class RamBytes(_Record):
    """Records that are passed on unread. No reader tells it; a writer takes it in place of the records."""


RamEvent: TypeAlias = RamSize | RamBlock | RamMapped | RamPages | RamHook | RamMultifdFlush | RamEnd | RamBytes

END_SIZE = 8
"""Bytes of the record that ends a section part."""

BODY_OF_KIND: dict[PageKind, str] = {
    "page": "the bytes of a page",
    "zero": "the fill byte of a zero page",
    "xbzrle": "an XBZRLE page",
    "compressed": "a compressed page",
}

MARKS: dict[int, type[RamHook] | type[RamMultifdFlush] | type[RamEnd]] = {
    HOOK: RamHook,
    MULTIFD_FLUSH: RamMultifdFlush,
    EOS: RamEnd,
}
