"""The payload of the `ram` section, scanned without I/O: bytes become the events of `ram_records`.

Memory is never kept: the runs of a `RamPages` are found by comparing strided slices of the input.

Facts: QEMU migration/ram.c (checks on load), migration/options.c (which capabilities exclude each other), zlib's
compressBound.
"""

from __future__ import annotations

import struct
from collections import deque
from itertools import chain
from typing import Literal

from vmstate.errors import StreamError
from vmstate.stream.ram_records import (
    BODY_OF_KIND,
    CONTINUE,
    EOS,
    FLAG_OF_KIND,
    HEADER,
    KIND_OF_FLAG,
    MARKS,
    MEM_SIZE,
    PREFIX_OF_KIND,
    MappedRamHeader,
    PageKind,
    RamBlock,
    RamEvent,
    RamMapped,
    RamPages,
    RamSize,
)
from vmstate.vmsd.data import Data, Value

MAX_RUN = 256
"""Records in one `RamPages` at most."""

MAX_PIECE = 1 << 20
"""Bytes in one `RamMapped` at most, unless more are asked for."""

ALL_AT_ONCE = 1 << 63
"""More than a block has."""

MAX_BLOCKS = 1 << 14
"""Blocks in one list at most: QEMU sets no limit, but blocks of length 0 could otherwise go on for
ever.
"""
MAPPED_HEADER = struct.Struct(">IQQQ")
MAPPED_VERSION = 1
_XBZRLE_ENCODING = 1

_SMALLEST_TARGET_PAGE = 1 << 8  # of AVR before QEMU 10.0, where the flags from 0x100 on cannot be
_LARGEST_TARGET_PAGE = 1 << 16
DEFAULT_PAGE_SIZE = 4096
_SHOWN = 64  # bytes of a name that is none
_SMALLEST_HOST_PAGE = 1 << 12
FILE_LIMIT = 1 << 63  # file offsets and sizes are signed 64-bit on every host

# A run is looked for in growing steps: a short one must not pay for the comparison of 256 records.
# Behind a full run the next is likely long too, and is compared at once.
_FIRST_STEP = 4
_STEP_GROWTH = 8
_WIDE = 16  # records per unpacked tuple


class Awaited(Value):
    """What the scanner waits for: `size` bytes from the absolute stream offset `offset`."""

    expected: str
    offset: int
    size: int


class Arrived(Data):
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


class Block(Data):
    """A listed block: its name, and its bytes."""

    name: str
    used_length: int


class _Run:
    """The run being gathered: `next` is the offset behind its last complete record."""

    __slots__ = ("address", "block", "count", "kind", "next", "offset")

    def __init__(self, offset: int, kind: PageKind, block: Block, address: int, next: int) -> None:
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
        self._flags = FLAG_OF_KIND[kind] | CONTINUE
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


class Part(Data):
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
    which none since 1.5 sends and which is refused from 8.2 on. `local`: the blocks of a
    destination, listed twice or not at all. `piece`: how many bytes of the mapped-ram layout are told at once.

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
        "_local",
        "_mapped_ram",
        "_origin",
        "_page_size",
        "_parts",
        "_piece_size",
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
        local: dict[bytes, Block] | None = None,
        piece: int = MAX_PIECE,
    ) -> None:
        if postcopy and (mapped_ram or ignore_shared):
            capability = "mapped-ram" if mapped_ram else "x-ignore-shared"
            raise StreamError(f"postcopy-ram and {capability} exclude each other", section="ram")
        self._ignore_shared = ignore_shared
        self._mapped_ram = mapped_ram
        self._postcopy = postcopy
        self._origin = origin
        self._fills = fills
        self._local = local
        self._piece_size = piece
        # A block list can be read without knowing: its lengths are whole pages, of whatever size.
        self._settle(_SMALLEST_TARGET_PAGE if page_size is None else page_size)
        self._settled = page_size is not None
        self._remaining = 0
        self._blocks: dict[bytes, Block] = {}
        self._last: Block | None = None
        self._run: _Run | None = None
        self._step = _FIRST_STEP
        self._parts: deque[Part] = deque()
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

    def is_listed(self, name: bytes) -> bool:
        """Whether a block of that name is listed."""
        return name in self._blocks

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
        records or one piece at most.

        After `RamEnd` the scanner waits for the first byte of the next section part. StreamError:
        what QEMU refuses on load, and what none writes.
        """
        awaited = self._awaited
        if awaited is not None and base + end < awaited.offset + awaited.size:
            return None
        event = self._event(Arrived(data, base, base + end), base + pos)
        if event is None:
            return None
        self._awaited = None
        return event, event.offset + len(event.raw) - base

    def at_end(self, end: int) -> StreamError:
        """The error to raise when the input is over, at the absolute offset `end`, before `RamEnd`
        came.
        """
        awaited = self._awaited or Awaited("the header of a RAM record", end, 8)
        return refused(
            "the stream ends inside the RAM section",
            awaited.offset,
            expected=f"{awaited.expected} ({awaited.size} bytes)",
            found=f"{max(end - awaited.offset, 0)} bytes",
        )

    def _event(self, source: Arrived, at: int) -> RamEvent | None:
        if self._run is not None:
            return self._pages(source, self._run)
        if self._parts:
            return self._piece(source, at)
        if self._remaining:
            return self._block(source, at)
        return self._record(source, at)

    def has(self, source: Arrived, at: int, size: int, expected: str) -> bool:
        """Whether `size` bytes from `at` have arrived; if not, they are what is awaited."""
        if at + size <= source.end:
            return True
        self._awaited = Awaited(expected, at, size)
        return False

    def be64(self, source: Arrived, at: int, expected: str) -> int | None:
        return source.number(HEADER, at) if self.has(source, at, 8, expected) else None

    # Records

    def _record(self, source: Arrived, at: int) -> RamEvent | None:
        header = self.be64(source, at, "the header of a RAM record")
        if header is None:
            return None
        if not self._settled and header not in MARKS and header & self._flag_mask != MEM_SIZE:
            # A vmdesc says it, and nearly every stream has one.
            from vmstate.stream.page_size import likely_page_size

            page_size = likely_page_size(self, source, at)
            if page_size is None:
                return None
            self._settle(page_size)
        flag = header if header in MARKS else header & self._flag_mask & ~CONTINUE
        if flag in KIND_OF_FLAG and not self._mapped_ram:
            return self._open_run(source, at, header, KIND_OF_FLAG[flag])
        if flag == MEM_SIZE:
            return self._open_list(source, at, header & ~self._flag_mask)
        if flag == EOS or (flag in MARKS and not self._mapped_ram):
            return MARKS[flag](at, source.window(at, at + 8))
        raise refused(
            "unknown combination of RAM flags",
            at,
            expected="the flags of a record",
            found=f"{header & self._flag_mask:#x}",
        )

    def _open_list(self, source: Arrived, at: int, total: int) -> RamSize:
        if total >= FILE_LIMIT:
            raise refused("impossible size of guest memory", at, found=f"{total} bytes")
        self._remaining = total
        self._blocks = {}
        return RamSize(at, source.window(at, at + 8), total)

    # The block list

    def _block(self, source: Arrived, at: int) -> RamBlock | None:
        name = self.block_name(source, at)
        if name is None:
            return None
        cursor = at + 1 + len(name)
        used_length = self.be64(source, cursor, "the length of a RAM block")
        if used_length is None:
            return None
        idstr = self._checked_entry(at, name, used_length)
        cursor += 8
        page_size = gpa = mapped = None
        if self._postcopy:
            following = self.be64(source, cursor, "what follows the length of a RAM block")
            if following is None:
                return None
            if _is_page_size(following):
                page_size = following
                cursor += 8
        if self._ignore_shared:
            gpa = self.be64(source, cursor, "the guest physical address of a RAM block")
            if gpa is None:
                return None
            cursor += 8
        if self._mapped_ram:
            if not self.has(source, cursor, MAPPED_HEADER.size, "a mapped-ram header"):
                return None
            mapped = MappedRamHeader(*MAPPED_HEADER.unpack_from(source.data, cursor - source.base))
            if mapped.version <= MAPPED_VERSION and not self._settled:
                self._settle(mapped.page_size)
            # Few streams are laid out so.
            from vmstate.stream.ram_mapped import check_header, parts_of

            check_header(idstr, mapped, cursor, self._page_size)
            if not (self._ignore_shared and mapped.bitmap_offset == mapped.pages_offset == 0):
                self._parts = parts_of(idstr, used_length, mapped, cursor, self._origin)
            cursor += MAPPED_HEADER.size
        self._blocks[name] = Block(idstr, used_length)
        self._remaining -= used_length
        raw = source.window(at, cursor)
        return RamBlock(at, raw, idstr, used_length, page_size, gpa, mapped)

    def block_name(self, source: Arrived, at: int) -> bytes | None:
        expected = "the name of a RAM block"
        if not self.has(source, at, 1, expected):
            return None
        length = source.data[at - source.base]
        if not self.has(source, at, 1 + length, expected):
            return None
        return bytes(source.window(at + 1, at + 1 + length))

    def _checked_entry(self, at: int, name: bytes, used_length: int) -> str:
        try:
            idstr = name.decode()
        except UnicodeDecodeError:
            raise refused("the name of a RAM block is not UTF-8", at, found=repr(name)) from None
        if not idstr:
            raise refused("a RAM block without a name", at)
        if name in self._blocks and self._local is None:
            raise refused(f"RAM block {idstr!r} is listed twice", at)
        if len(self._blocks) == MAX_BLOCKS:
            raise refused("too many RAM blocks", at, expected=f"at most {MAX_BLOCKS}")
        if used_length > self._remaining:
            raise refused(
                f"RAM block {idstr!r} overruns the size of guest memory",
                at,
                expected=f"at most {self._remaining} bytes",
                found=f"{used_length} bytes",
            )
        return idstr

    # mapped-ram

    def _piece(self, source: Arrived, at: int) -> RamMapped | None:
        part = self._parts[0]
        stop = min(at + self._piece_size, part.stop)
        if not self.has(source, at, stop - at, "memory in the mapped-ram layout"):
            return None
        if stop == part.stop:
            self._parts.popleft()
        address = at - part.start if part.name == "pages" else None
        return RamMapped(at, source.window(at, stop), part.block, part.name, address)

    # Pages

    def _open_run(self, source: Arrived, at: int, header: int, kind: PageKind) -> RamPages | None:
        block_and_body = self._block_of(source, at, header)
        if block_and_body is None:
            return None
        block, body = block_and_body
        address = header & ~self._flag_mask
        _check_address(block, address, at)
        stop = self._body_end(source, body, kind)
        if stop is None:
            return None
        self._last = block
        self._run = _Run(at, kind, block, address, stop)
        return self._pages(source, self._run)

    def _block_of(self, source: Arrived, at: int, header: int) -> tuple[Block, int] | None:
        """The block that the record at `at` belongs to, and where the record goes on."""
        if header & CONTINUE:
            if self._last is None:
                raise refused("a page that continues a RAM block, before any block", at)
            return self._last, at + 8
        name = self.block_name(source, at + 8)
        if name is None:
            return None
        block = self._blocks.get(name) or (self._local or {}).get(name)
        if block is None:
            text = name[:_SHOWN].decode(errors="backslashreplace") + ("..." if len(name) > _SHOWN else "")
            raise refused(f"page of a RAM block that was not listed: {text!r}", at)
        return block, at + 9 + len(name)

    def _pages(self, source: Arrived, run: _Run) -> RamPages | None:
        stride = self._strides.get(run.kind)
        if stride is not None:
            _skip(source, run, stride, self._step)
        if not self._walk(source, run):
            return None
        self._run = None
        self._step = MAX_RUN if run.count == MAX_RUN else _FIRST_STEP
        raw = source.window(run.offset, run.next)
        return RamPages(run.offset, raw, run.kind, run.block.name, run.address, run.count)

    def _walk(self, source: Arrived, run: _Run) -> bool:
        """Go on record by record; whether the run is complete."""
        flags = FLAG_OF_KIND[run.kind] | CONTINUE
        while run.count < MAX_RUN:
            header = self.be64(source, run.next, "the header of a RAM record")
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

    def _body_end(self, source: Arrived, at: int, kind: PageKind) -> int | None:
        """Where the body at `at` ends, once it is all there."""
        size = self._body_size(source, at, kind)
        if size is None or not self.has(source, at, size, BODY_OF_KIND[kind]):
            return None
        if kind == "zero" and not self._fills and (fill := source.data[at - source.base]):
            raise refused("a zero page with a fill byte", at, expected="0", found=str(fill))
        return at + size

    def _body_size(self, source: Arrived, at: int, kind: PageKind) -> int | None:
        if kind == "page":
            return self._page_size
        if kind == "zero":
            return 1
        prefix = PREFIX_OF_KIND[kind]
        if not self.has(source, at, prefix.size, BODY_OF_KIND[kind]):
            return None
        fields = prefix.unpack_from(source.data, at - source.base)
        if kind == "xbzrle" and fields[0] != _XBZRLE_ENCODING:
            raise refused(
                "wrong encoding of an XBZRLE page",
                at,
                expected=str(_XBZRLE_ENCODING),
                found=str(fields[0]),
            )
        length, limit = fields[-1], self._limits[kind]
        if length > limit:
            raise refused(
                f"{BODY_OF_KIND[kind]} is too long",
                at,
                expected=f"at most {limit} bytes",
                found=f"{length} bytes",
            )
        return int(prefix.size + length)


def _skip(source: Arrived, run: _Run, stride: _Stride, step: int) -> None:
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


def _check_address(block: Block, address: int, at: int) -> None:
    if address >= block.used_length:
        raise refused(
            f"a page outside RAM block {block.name!r}",
            at,
            expected=f"an address below {block.used_length:#x}",
            found=f"{address:#x}",
        )


def refused(message: str, offset: int, *, expected: str | None = None, found: str | None = None) -> StreamError:
    return StreamError(message, section="ram", offset=offset, expected=expected, found=found)
