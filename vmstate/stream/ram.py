"""The payload of the `ram` section (idstr "ram", section version 4), scanned without I/O.

The payload is a row of records, each of which opens with a big-endian 64-bit header: an address in
the block it belongs to (a multiple of the target page size), with flags in the bits below the page
size. Every section part (start, part, end) is such a row and ends with an end-of-section record;
the first one also carries the list of memory blocks. Memory is never kept and pages never become
objects: consecutive records of one kind come as one `RamPages`, found by comparing strided slices
of the input.

Facts: QEMU migration/ram.h (flags), migration/ram.c (records, block list, mapped-ram, checks on
load), migration/options.c (which capabilities exclude each other), zlib's compressBound.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Literal, TypeAlias

from vmstate.errors import StreamError
from vmstate.vmsd.data import Data, Value

PageKind: TypeAlias = Literal["page", "zero", "xbzrle", "compressed"]

MAX_RUN = 256
"""Records in one `RamPages` at most."""

MAX_PIECE = 1 << 20
"""Bytes in one `RamMapped` at most."""

MAX_BLOCKS = 1 << 14
"""Blocks in one list at most: QEMU sets no limit, but blocks of length 0 could otherwise go on for
ever.
"""

_MEM_SIZE = 0x004
_EOS = 0x010
_CONTINUE = 0x020
_HOOK = 0x080
_MULTIFD_FLUSH = 0x200

_KIND_OF_FLAG: dict[int, PageKind] = {
    0x002: "zero",
    0x008: "page",
    0x040: "xbzrle",
    0x100: "compressed",
}
_FLAG_OF_KIND = {kind: flag for flag, kind in _KIND_OF_FLAG.items()}

_HEADER = struct.Struct(">Q")
_XBZRLE = struct.Struct(">BH")  # encoding (always 1), length of what follows
_COMPRESSED = struct.Struct(">I")  # length of what follows
_PREFIX_OF_KIND: dict[PageKind, struct.Struct] = {"xbzrle": _XBZRLE, "compressed": _COMPRESSED}
_MAPPED = struct.Struct(">IQQQ")
_MAPPED_VERSION = 1
_XBZRLE_ENCODING = 1

_SMALLEST_TARGET_PAGE = 1 << 8  # of AVR before QEMU 10.0, where the flags from 0x100 on cannot be
_LARGEST_TARGET_PAGE = 1 << 16
DEFAULT_PAGE_SIZE = 4096
# The smallest first: what is looked at under one size is there if the pages are larger.
_LIKELY_PAGES = tuple(1 << bits for bits in range(8, 17))
_LOOKED_AT = 64  # records at most
_SHOWN = 64  # bytes of a name that is none
_SMALLEST_HOST_PAGE = 1 << 12
_FILE_LIMIT = 1 << 63  # file offsets and sizes are signed 64-bit on every host

# A run is looked for in growing steps: a short one must not pay for the comparison of 256 records.
# Behind a full run the next is likely long too, and is compared at once.
_FIRST_STEP = 4
_STEP_GROWTH = 8
_WIDE = 16  # records per unpacked tuple


class _Record(Value):
    """`offset`: absolute stream offset of the first byte. `raw`: the bytes of the stream, a window
    on the input.
    """

    offset: int
    raw: memoryview


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
    """At most 1 MiB of what lies between a block's mapped-ram header and the end of its pages.

    `part` is "bitmap" (one bit per target page, in words of the source host's order: little-endian
    bytes on every little-endian host), "pages", or "padding". `address`: where in the block the
    first byte belongs, for "pages" only. A page whose bit is clear is zero whatever the bytes here
    say. Pieces are cut every 1 MiB from the start of the part.
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
        flags = _FLAG_OF_KIND[self.kind] | _CONTINUE
        for header in self._later_headers():
            yield header - flags

    def page(self, index: int) -> memoryview:
        """The bytes of page `index` (0 to `count` - 1) of a run of kind "page", a window on `raw`.

        ValueError for a run of another kind, IndexError for another index.
        """
        if self.kind != "page":
            raise ValueError(f"a run of kind {self.kind!r} holds no plain pages")
        if not 0 <= index < self.count:
            raise IndexError(f"page {index} of a run of {self.count}")
        size = self._fixed_size()
        start = self._first_body() + index * (8 + size)
        return self.raw[start : start + size]

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
        prefix = _PREFIX_OF_KIND[self.kind]
        for number in range(index + 1):
            at += prefix.size
            length = prefix.unpack_from(self.raw, at - prefix.size)[-1]
            if number < index:
                at += length + 8
        return at, at + length

    def _first_body(self) -> int:
        return 8 if self.raw[7] & _CONTINUE else 9 + self.raw[8]

    def _fixed_size(self) -> int:
        return (len(self.raw) - self._first_body() + 8) // self.count - 8

    def _later_headers(self) -> Iterator[int]:
        if self.kind in ("page", "zero"):
            size = self._fixed_size()
            rest = self.raw[self._first_body() + size :]
            return chain.from_iterable(struct.iter_unpack(f">Q{size}x", rest))
        return self._walked_headers()

    def _walked_headers(self) -> Iterator[int]:
        prefix = _PREFIX_OF_KIND[self.kind]
        at = self._first_body()
        for _ in range(self.count - 1):
            at += prefix.size + prefix.unpack_from(self.raw, at)[-1]
            yield from _HEADER.unpack_from(self.raw, at)
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

_BODY_OF_KIND: dict[PageKind, str] = {
    "page": "the bytes of a page",
    "zero": "the fill byte of a zero page",
    "xbzrle": "an XBZRLE page",
    "compressed": "a compressed page",
}

_MARKS: dict[int, type[RamHook] | type[RamMultifdFlush] | type[RamEnd]] = {
    _HOOK: RamHook,
    _MULTIFD_FLUSH: RamMultifdFlush,
    _EOS: RamEnd,
}


class Awaited(Value):
    """What the scanner waits for: `size` bytes from the absolute stream offset `offset`."""

    expected: str
    offset: int
    size: int


class _Input(Data):
    """What has arrived: `data` begins at the absolute offset `base`; bytes from `end` on are not
    there yet.
    """

    data: memoryview
    base: int
    end: int

    def window(self, start: int, stop: int) -> memoryview:
        return self.data[start - self.base : stop - self.base]

    def number(self, layout: struct.Struct, at: int) -> int:
        return int(layout.unpack_from(self.data, at - self.base)[0])


class _Block(Data):
    name: str
    used_length: int


class _Run:
    """The run being gathered: `next` is the offset behind its last complete record."""

    __slots__ = ("address", "block", "count", "kind", "next", "offset")

    def __init__(self, offset: int, kind: PageKind, block: _Block, address: int, next: int) -> None:
        self.offset = offset
        self.kind = kind
        self.block = block
        self.address = address
        self.next = next
        self.count = 1


class _Stride:
    """Records of one fixed size that continue a block: compared by columns, many in one go."""

    __slots__ = ("_clear", "_fill", "_flags", "_narrow", "_pattern", "_wide", "size")

    def __init__(self, kind: PageKind, body: int, flag_mask: int) -> None:
        self.size = 8 + body
        self._flags = _FLAG_OF_KIND[kind] | _CONTINUE
        self._pattern = bytes([self._flags]) * MAX_RUN
        # The values of a header's second-lowest byte in which no flag is set.
        self._clear = bytes(byte for byte in range(256) if not byte & (flag_mask >> 8))
        self._fill = bytes(MAX_RUN) if kind == "zero" else b""
        self._narrow = struct.Struct(f">Q{body}x")
        self._wide = struct.Struct(">" + f"Q{body}x" * _WIDE)

    def alike(self, view: memoryview, count: int) -> int:
        """How many of the `count` records in `view` have exactly these flags, up to the first that
        has not.
        """
        low = view[7 :: self.size]
        if low != self._pattern[:count]:
            count -= len(low.tobytes().lstrip(self._pattern[:1]))
        high = view[6 : count * self.size : self.size].tobytes()
        return count - len(high.lstrip(self._clear))

    def sound(self, view: memoryview, count: int, used_length: int) -> bool:
        """Whether the `count` records in `view` lie in their block and have the fill byte 0."""
        wide = count // _WIDE * _WIDE * self.size
        headers = chain(
            chain.from_iterable(self._wide.iter_unpack(view[:wide])),
            chain.from_iterable(self._narrow.iter_unpack(view[wide:])),
        )
        if max(headers) - self._flags >= used_length:
            return False
        return not self._fill or view[8 :: self.size] == self._fill[:count]


class _Part(Data):
    """A stretch of a mapped-ram block, in absolute stream offsets."""

    block: str
    name: Literal["bitmap", "padding", "pages"]
    start: int
    stop: int


class RamScanner:
    """Finds the records of the `ram` section of one stream. One scanner serves all its parts, in
    stream order.

    `page_size`: target page size in bytes, a power of two from 256 to 64 KiB; None where it is not
    known: then it is taken from the first records, which lie a page apart. `ignore_shared`,
    `mapped_ram`: whether the capabilities x-ignore-shared and mapped-ram are on. `postcopy`:
    whether the source has postcopy-ram on, which it announces by a postcopy-advise command of 16
    bytes. `origin`: the file position of the stream's first byte, which mapped-ram's file positions
    count from 0 ("file:NAME,offset=N"). `fills`: whether a "zero" page may be one that is filled with another byte,
    which none since 1.5 sends and which is refused from 8.2 on.

    StreamError for a page size out of range and for postcopy together with one of the other two,
    which QEMU refuses (its writer and its reader disagree about the order of the fields).
    """

    __slots__ = (
        "_awaited",
        "_blocks",
        "_fills",
        "_flag_mask",
        "_ignore_shared",
        "_last",
        "_limits",
        "_mapped_ram",
        "_origin",
        "_page_size",
        "_parts",
        "_postcopy",
        "_remaining",
        "_run",
        "_settled",
        "_step",
        "_strides",
    )

    def __init__(
        self,
        page_size: int | None,
        *,
        ignore_shared: bool = False,
        mapped_ram: bool = False,
        postcopy: bool = False,
        origin: int = 0,
        fills: bool = False,
    ) -> None:
        if postcopy and (mapped_ram or ignore_shared):
            other = "mapped-ram" if mapped_ram else "x-ignore-shared"
            raise StreamError(f"postcopy-ram and {other} exclude each other", section="ram")
        self._ignore_shared = ignore_shared
        self._mapped_ram = mapped_ram
        self._postcopy = postcopy
        self._origin = origin
        self._fills = fills
        # A block list can be read without knowing: its lengths are whole pages, of whatever size.
        self._settle(_SMALLEST_TARGET_PAGE if page_size is None else page_size)
        self._settled = page_size is not None
        self._remaining = 0
        self._blocks: dict[bytes, _Block] = {}
        self._last: _Block | None = None
        self._run: _Run | None = None
        self._step = _FIRST_STEP
        self._parts: deque[_Part] = deque()
        self._awaited: Awaited | None = None

    def _settle(self, page_size: int) -> None:
        if page_size.bit_count() != 1 or not (_SMALLEST_TARGET_PAGE <= page_size <= _LARGEST_TARGET_PAGE):
            raise StreamError(
                "impossible target page size",
                section="ram",
                expected="a power of two from 256 to 65536",
                found=str(page_size),
            )
        self._settled = True
        self._page_size = page_size
        self._flag_mask = page_size - 1
        self._strides: dict[PageKind, _Stride] = {
            "page": _Stride("page", page_size, self._flag_mask),
            "zero": _Stride("zero", 1, self._flag_mask),
        }
        self._limits: dict[PageKind, int] = {
            "xbzrle": page_size,
            "compressed": _compress_bound(page_size),
        }

    @property
    def page_size(self) -> int | None:
        """The target page size in bytes; None as long as it is not known."""
        return self._page_size if self._settled else None

    @property
    def awaited(self) -> Awaited | None:
        """What `next_event` was short of when it last returned None; None after an event."""
        return self._awaited

    def next_event(self, data: memoryview, pos: int, end: int, base: int) -> tuple[RamEvent, int] | None:
        """The next event and the position behind it, or None when more bytes are needed.

        `data` is a view of unsigned bytes whose first lies at the absolute stream offset `base`;
        `data[pos:end]` has arrived and begins where the last event ended. After None the same bytes
        must be there again, with more behind them. The event's `raw` is a window on `data`, of 256
        records or 1 MiB at most.

        After `RamEnd` the scanner waits for the first byte of the next section part. StreamError:
        what QEMU refuses on load, and what none writes.
        """
        awaited = self._awaited
        if awaited is not None and base + end < awaited.offset + awaited.size:
            return None
        event = self._event(_Input(data, base, base + end), base + pos)
        if event is None:
            return None
        self._awaited = None
        return event, event.offset + len(event.raw) - base

    def at_end(self, end: int) -> StreamError:
        """The error to raise when the input is over, at the absolute offset `end`, before `RamEnd`
        came.
        """
        awaited = self._awaited or Awaited("the header of a RAM record", end, 8)
        return _refused(
            "the stream ends inside the RAM section",
            awaited.offset,
            expected=f"{awaited.expected} ({awaited.size} bytes)",
            found=f"{max(end - awaited.offset, 0)} bytes",
        )

    def _event(self, source: _Input, at: int) -> RamEvent | None:
        if self._run is not None:
            return self._pages(source, self._run)
        if self._parts:
            return self._piece(source, at)
        if self._remaining:
            return self._block(source, at)
        return self._record(source, at)

    def _has(self, source: _Input, at: int, size: int, expected: str) -> bool:
        """Whether `size` bytes from `at` have arrived; if not, they are what is awaited."""
        if at + size <= source.end:
            return True
        self._awaited = Awaited(expected, at, size)
        return False

    def _be64(self, source: _Input, at: int, expected: str) -> int | None:
        return source.number(_HEADER, at) if self._has(source, at, 8, expected) else None

    # Records

    def _record(self, source: _Input, at: int) -> RamEvent | None:
        header = self._be64(source, at, "the header of a RAM record")
        if header is None:
            return None
        if not self._settled and header not in _MARKS and header & self._flag_mask != _MEM_SIZE:
            page_size = self._likely_page_size(source, at)
            if page_size is None:
                return None
            self._settle(page_size)
        flag = header if header in _MARKS else header & self._flag_mask & ~_CONTINUE
        if flag in _KIND_OF_FLAG and not self._mapped_ram:
            return self._open_run(source, at, header, _KIND_OF_FLAG[flag])
        if flag == _MEM_SIZE:
            return self._open_list(source, at, header & ~self._flag_mask)
        if flag == _EOS or (flag in _MARKS and not self._mapped_ram):
            return _MARKS[flag](at, source.window(at, at + 8))
        raise _refused(
            "unknown combination of RAM flags",
            at,
            expected="the flags of a record",
            found=f"{header & self._flag_mask:#x}",
        )

    def _likely_page_size(self, source: _Input, at: int) -> int | None:
        """The page size under which the records from `at` on are a page apart; None where more bytes are needed."""
        for size in _LIKELY_PAGES:
            # Zero pages that are sent with gaps look like larger ones, for a while.
            apart = self._are_apart(source, at, size, 1 if size <= DEFAULT_PAGE_SIZE else 4)
            if apart is None:
                return None
            if apart:
                return size
        return DEFAULT_PAGE_SIZE

    def _are_apart(self, source: _Input, at: int, size: int, steps: int) -> bool | None:
        """Whether pages of `size` follow each other for so many steps; None where bytes are missing.

        From block to block is no step: of a block of one page that is zero any size can be.
        """
        previous: int | None = None
        for _ in range(_LOOKED_AT):
            if not steps:
                return True
            header = self._be64(source, at, "the header of a RAM record")
            if header is None:
                return None
            flags, address = header & (size - 1), header & ~(size - 1)
            if header in _MARKS:
                return size == DEFAULT_PAGE_SIZE
            kind = _KIND_OF_FLAG.get(flags & ~_CONTINUE)
            if kind not in ("page", "zero"):
                return False
            at += 8
            if flags & _CONTINUE:
                if previous is None or address != previous + size:
                    return False
                steps -= 1
            else:
                name = self._block_name(source, at)
                if name is None:
                    return None
                if name not in self._blocks:
                    return False
                at += 1 + len(name)
            previous = address
            body = size if kind == "page" else 1
            if not self._has(source, at, body, _BODY_OF_KIND[kind]):
                return None
            at += body
        return False

    def _open_list(self, source: _Input, at: int, total: int) -> RamSize:
        if total >= _FILE_LIMIT:
            raise _refused("impossible size of guest memory", at, found=f"{total} bytes")
        self._remaining = total
        self._blocks = {}
        return RamSize(at, source.window(at, at + 8), total)

    # The block list

    def _block(self, source: _Input, at: int) -> RamBlock | None:
        name = self._block_name(source, at)
        if name is None:
            return None
        cursor = at + 1 + len(name)
        used_length = self._be64(source, cursor, "the length of a RAM block")
        if used_length is None:
            return None
        idstr = self._checked_entry(at, name, used_length)
        cursor += 8
        page_size = gpa = mapped = None
        if self._postcopy:
            following = self._be64(source, cursor, "what follows the length of a RAM block")
            if following is None:
                return None
            if _is_page_size(following):
                page_size = following
                cursor += 8
        if self._ignore_shared:
            gpa = self._be64(source, cursor, "the guest physical address of a RAM block")
            if gpa is None:
                return None
            cursor += 8
        if self._mapped_ram:
            if not self._has(source, cursor, _MAPPED.size, "a mapped-ram header"):
                return None
            mapped = MappedRamHeader(*_MAPPED.unpack_from(source.data, cursor - source.base))
            self._parts = self._mapped_parts(idstr, used_length, mapped, cursor)
            cursor += _MAPPED.size
        self._blocks[name] = _Block(idstr, used_length)
        self._remaining -= used_length
        raw = source.window(at, cursor)
        return RamBlock(at, raw, idstr, used_length, page_size, gpa, mapped)

    def _block_name(self, source: _Input, at: int) -> bytes | None:
        expected = "the name of a RAM block"
        if not self._has(source, at, 1, expected):
            return None
        length = source.data[at - source.base]
        if not self._has(source, at, 1 + length, expected):
            return None
        return bytes(source.window(at + 1, at + 1 + length))

    def _checked_entry(self, at: int, name: bytes, used_length: int) -> str:
        try:
            idstr = name.decode()
        except UnicodeDecodeError:
            raise _refused("the name of a RAM block is not UTF-8", at, found=repr(name)) from None
        if not idstr:
            raise _refused("a RAM block without a name", at)
        if name in self._blocks:
            raise _refused(f"RAM block {idstr!r} is listed twice", at)
        if len(self._blocks) == MAX_BLOCKS:
            raise _refused("too many RAM blocks", at, expected=f"at most {MAX_BLOCKS}")
        if used_length > self._remaining:
            raise _refused(
                f"RAM block {idstr!r} overruns the size of guest memory",
                at,
                expected=f"at most {self._remaining} bytes",
                found=f"{used_length} bytes",
            )
        return idstr

    # mapped-ram

    def _mapped_parts(self, block: str, used_length: int, header: MappedRamHeader, at: int) -> deque[_Part]:
        """What lies between the header at `at` and the next entry of the block list."""
        self._check_mapped(block, header, at)
        if self._ignore_shared and header.bitmap_offset == header.pages_offset == 0:
            return deque()
        after = at + _MAPPED.size
        bitmap = header.bitmap_offset - self._origin
        pages = header.pages_offset - self._origin
        bitmap_end = bitmap + self._bitmap_size(used_length)
        if not after <= bitmap <= bitmap_end <= pages <= _FILE_LIMIT - used_length:
            raise _refused(
                f"the bitmap and pages of RAM block {block!r} do not follow its header in order",
                at,
                expected=f"file positions from {after + self._origin:#x} on",
                found=f"{header.bitmap_offset:#x} and {header.pages_offset:#x}",
            )
        parts = (
            _Part(block, "padding", after, bitmap),
            _Part(block, "bitmap", bitmap, bitmap_end),
            _Part(block, "padding", bitmap_end, pages),
            _Part(block, "pages", pages, pages + used_length),
        )
        return deque(part for part in parts if part.start < part.stop)

    def _check_mapped(self, block: str, header: MappedRamHeader, at: int) -> None:
        if header.version > _MAPPED_VERSION:
            raise _refused(
                f"mapped-ram version of RAM block {block!r} not supported",
                at,
                expected=f"at most {_MAPPED_VERSION}",
                found=str(header.version),
            )
        if not self._settled:
            self._settle(header.page_size)
        if header.page_size != self._page_size:
            raise _refused(
                f"wrong mapped-ram page size of RAM block {block!r}",
                at,
                expected=str(self._page_size),
                found=str(header.page_size),
            )
        if header.pages_offset % self._page_size:
            raise _refused(
                f"the pages of RAM block {block!r} are not aligned",
                at,
                expected=f"a multiple of {self._page_size}",
                found=f"{header.pages_offset:#x}",
            )

    def _bitmap_size(self, used_length: int) -> int:
        words = -(-(used_length // self._page_size) // 64)
        return words * 8

    def _piece(self, source: _Input, at: int) -> RamMapped | None:
        part = self._parts[0]
        stop = min(at + MAX_PIECE, part.stop)
        if not self._has(source, at, stop - at, "memory in the mapped-ram layout"):
            return None
        if stop == part.stop:
            self._parts.popleft()
        address = at - part.start if part.name == "pages" else None
        return RamMapped(at, source.window(at, stop), part.block, part.name, address)

    # Pages

    def _open_run(self, source: _Input, at: int, header: int, kind: PageKind) -> RamPages | None:
        found = self._block_of(source, at, header)
        if found is None:
            return None
        block, body = found
        address = header & ~self._flag_mask
        _check_address(block, address, at)
        stop = self._body_end(source, body, kind)
        if stop is None:
            return None
        self._last = block
        self._run = _Run(at, kind, block, address, stop)
        return self._pages(source, self._run)

    def _block_of(self, source: _Input, at: int, header: int) -> tuple[_Block, int] | None:
        """The block that the record at `at` belongs to, and where the record goes on."""
        if header & _CONTINUE:
            if self._last is None:
                raise _refused("a page that continues a RAM block, before any block", at)
            return self._last, at + 8
        name = self._block_name(source, at + 8)
        if name is None:
            return None
        block = self._blocks.get(name)
        if block is None:
            text = name[:_SHOWN].decode(errors="backslashreplace") + ("..." if len(name) > _SHOWN else "")
            raise _refused(f"page of a RAM block that was not listed: {text!r}", at)
        return block, at + 9 + len(name)

    def _pages(self, source: _Input, run: _Run) -> RamPages | None:
        stride = self._strides.get(run.kind)
        if stride is not None:
            _skip(source, run, stride, self._step)
        if not self._walk(source, run):
            return None
        self._run = None
        self._step = MAX_RUN if run.count == MAX_RUN else _FIRST_STEP
        raw = source.window(run.offset, run.next)
        return RamPages(run.offset, raw, run.kind, run.block.name, run.address, run.count)

    def _walk(self, source: _Input, run: _Run) -> bool:
        """Go on record by record; whether the run is complete."""
        flags = _FLAG_OF_KIND[run.kind] | _CONTINUE
        while run.count < MAX_RUN:
            header = self._be64(source, run.next, "the header of a RAM record")
            if header is None:
                return False
            if header & self._flag_mask != flags:
                return True
            _check_address(run.block, header - flags, run.next)
            stop = self._body_end(source, run.next + 8, run.kind)
            if stop is None:
                return False
            run.next = stop
            run.count += 1
        return True

    def _body_end(self, source: _Input, at: int, kind: PageKind) -> int | None:
        """Where the body at `at` ends, once it is all there."""
        size = self._body_size(source, at, kind)
        if size is None or not self._has(source, at, size, _BODY_OF_KIND[kind]):
            return None
        if kind == "zero" and not self._fills and (fill := source.data[at - source.base]):
            raise _refused("a zero page with a fill byte", at, expected="0", found=str(fill))
        return at + size

    def _body_size(self, source: _Input, at: int, kind: PageKind) -> int | None:
        if kind == "page":
            return self._page_size
        if kind == "zero":
            return 1
        prefix = _PREFIX_OF_KIND[kind]
        if not self._has(source, at, prefix.size, _BODY_OF_KIND[kind]):
            return None
        fields = prefix.unpack_from(source.data, at - source.base)
        if kind == "xbzrle" and fields[0] != _XBZRLE_ENCODING:
            raise _refused(
                "wrong encoding of an XBZRLE page",
                at,
                expected=str(_XBZRLE_ENCODING),
                found=str(fields[0]),
            )
        length, limit = fields[-1], self._limits[kind]
        if length > limit:
            raise _refused(
                f"{_BODY_OF_KIND[kind]} is too long",
                at,
                expected=f"at most {limit} bytes",
                found=f"{length} bytes",
            )
        return int(prefix.size + length)


def _skip(source: _Input, run: _Run, stride: _Stride, step: int) -> None:
    """Take into the run what can be taken by columns; whatever is left, or wrong, is left to
    walking.
    """
    while True:
        count = min(step, MAX_RUN - run.count, (source.end - run.next) // stride.size)
        if count <= 0:
            return
        view = source.window(run.next, run.next + count * stride.size)
        alike = stride.alike(view, count)
        view = view[: alike * stride.size]
        if not alike or not stride.sound(view, alike, run.block.used_length):
            return
        run.count += alike
        run.next += len(view)
        if alike < count:
            return
        step *= _STEP_GROWTH


def _is_page_size(value: int) -> bool:
    """Whether the eight bytes behind a block's length are the page size that only some blocks have.

    It is a power of two from 4096 to below 2**56. What else can follow is another entry, whose
    first byte, the length of a name, is not 0, or the next record's header, which has a flag below
    4096 set. So the answer is exact.
    """
    return value.bit_count() == 1 and _SMALLEST_HOST_PAGE <= value < 1 << 56


def _compress_bound(size: int) -> int:
    """The longest that zlib can make `size` bytes."""
    return size + (size >> 12) + (size >> 14) + (size >> 25) + 13


def _check_address(block: _Block, address: int, at: int) -> None:
    if address >= block.used_length:
        raise _refused(
            f"a page outside RAM block {block.name!r}",
            at,
            expected=f"an address below {block.used_length:#x}",
            found=f"{address:#x}",
        )


def _refused(message: str, offset: int, *, expected: str | None = None, found: str | None = None) -> StreamError:
    return StreamError(message, section="ram", offset=offset, expected=expected, found=found)
