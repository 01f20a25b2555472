"""Guest memory as a stream has it: bytes by guest physical address.

RAM is not held: the pages that are asked for are looked for in the input, all of one call in one scan. Of a page that
was sent more than once the last counts. Where a machine has its memory is a fact of the machine, from QEMU's
hw/i386/pc_piix.c, pc_q35.c, microvm-dt.c and microvm.c, hw/arm/virt.c and hw/s390x/s390-virtio-ccw.c.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from vmstate.errors import StreamError
from vmstate.stream.events import Event
from vmstate.stream.ram_records import RamBlock, RamPages
from vmstate.vmsd.data import Value

MACHINE_RAM = ("pc.ram", "microvm.ram", "mach-virt.ram", "s390.ram", "ram")
"""The names of the block that is the machine's memory; one that `-object memory-backend-*` made is /objects/ID."""

KNOWN_MACHINES = ("pc", "q35", "microvm", "s390-ccw-virtio")
"""How the names of machine types begin that no other target has, and whose memory stands as it is told here."""

GIB = 1 << 30
ARM_VIRT_RAM = GIB
"""Where the virt machine of Arm has its memory."""


class MemoryRange(Value):
    """`size` bytes from guest physical address `address` on are those of a block from `offset` on."""

    address: int
    size: int
    block: str
    offset: int


class GuestMemory:
    """Reads guest memory. Made by `Stream.memory`."""

    def __init__(
        self,
        events: Callable[[], Iterator[Event]] | None,
        data: memoryview | None,
        ranges: Sequence[MemoryRange],
        page_size: int,
        files: Mapping[str, str | os.PathLike[str]],
    ) -> None:
        self.ranges = tuple(ranges)
        self.page_size = page_size
        self._events = events
        self._data = data
        self._files = dict(files)
        self._pages: dict[tuple[str, int], bytes | None] = {}
        self._sent: dict[tuple[str, int], tuple[int, int]] = {}

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from a guest physical address on.

        Raises `StreamError` where the machine has no memory there, or the stream does not hold it.
        """
        return self.read_all([(address, size)])[0]

    def has(self, address: int, size: int) -> bool:
        """Whether the machine has `size` bytes of memory from a guest physical address on, in one piece."""
        return any(
            memory_range.address <= address and address + size <= memory_range.address + memory_range.size
            for memory_range in self.ranges
        )

    def read_all(self, spans: Iterable[tuple[int, int]]) -> list[bytes]:
        """The bytes of several spans (address, size), the stream being scanned once for all."""
        wanted = [list(self._places(address, size)) for address, size in spans]
        self._fetch(place for places in wanted for place in places)
        return [b"".join(self._part(*place) for place in places) for places in wanted]

    def source(self, address: int, size: int) -> tuple[int, int] | None:
        """Where the stream has what was read from an address on: (absolute offset, size), of the first page of it.

        Of a page that is not sent as it is, all that stands for it. None where it was not read, or not from the stream.
        """
        block, offset, length = next(self._places(address, size))
        page, start = divmod(offset, self.page_size)
        sent = self._sent.get((block, page))
        if sent is None or sent[1] != self.page_size:
            return sent
        return sent[0] + start, length

    def _places(self, address: int, size: int) -> Iterator[tuple[str, int, int]]:
        """(block, offset, size) of the pieces of a span, none of which goes over the edge of a page."""
        while size > 0:
            inside = next(
                (
                    memory_range
                    for memory_range in self.ranges
                    if memory_range.address <= address < memory_range.address + memory_range.size
                ),
                None,
            )
            if inside is None:
                shown_ranges = ", ".join(
                    f"{memory_range.address:#x} to {memory_range.address + memory_range.size - 1:#x}"
                    for memory_range in self.ranges
                )
                raise StreamError(
                    "the machine has no memory there", expected=shown_ranges or None, found=f"{address:#x}"
                )
            offset = inside.offset + address - inside.address
            length = min(size, inside.address + inside.size - address, self.page_size - offset % self.page_size)
            yield inside.block, offset, length
            address += length
            size -= length

    def _part(self, block: str, offset: int, size: int) -> bytes:
        page, start = divmod(offset, self.page_size)
        page_bytes = self._pages[block, page]
        if page_bytes is None:
            raise StreamError(f"the stream does not hold page {page:#x} of {block}")
        return page_bytes[start : start + size]

    def _fetch(self, places: Iterable[tuple[str, int, int]]) -> None:
        missing: dict[str, set[int]] = {}
        for block, offset, _ in places:
            if (block, offset // self.page_size) not in self._pages:
                missing.setdefault(block, set()).add(offset // self.page_size)
        for block in [block for block in missing if block in self._files]:
            self._read_file(block, missing.pop(block))
        if missing and self._events is not None:
            self._scan(missing)
        self._pages.update({(block, page): None for block in missing for page in missing[block]} | self._pages)

    def _read_file(self, block: str, pages: Iterable[int]) -> None:
        name = os.fspath(self._files[block])
        try:
            with open(name, "rb") as file:
                for page in pages:
                    file.seek(page * self.page_size)
                    self._pages[block, page] = file.read(self.page_size).ljust(self.page_size, b"\0")
        except OSError as error:
            raise StreamError(f"the memory file cannot be read: {error.strerror}", file=name) from None

    def _scan(self, missing: Mapping[str, set[int]]) -> None:
        assert self._events is not None
        for event in self._events():
            if isinstance(event, RamBlock) and event.idstr in missing and event.mapped is not None:
                self._read_mapped(event, missing[event.idstr])
            elif isinstance(event, RamPages) and event.block in missing:
                self._take(event, missing[event.block])

    def _read_mapped(self, block: RamBlock, pages: Iterable[int]) -> None:
        assert self._data is not None and block.mapped is not None
        for page in pages:
            marks = self._data[block.mapped.bitmap_offset + page // 8]
            start = block.mapped.pages_offset + page * self.page_size
            sent = block.mapped.pages_offset and marks >> page % 8 & 1
            if sent:
                self._sent[block.idstr, page] = (start, self.page_size)
            self._pages[block.idstr, page] = (
                bytes(self._data[start : start + self.page_size]) if sent else bytes(self.page_size)
            )

    def _take(self, run: RamPages, pages: set[int]) -> None:
        for index, address in enumerate(run.addresses()):
            page = address // self.page_size
            if page in pages:
                self._pages[run.block, page] = self._content(run, index, self._pages.get((run.block, page)))
                first, end = run.body_span(index)
                self._sent[run.block, page] = (run.offset + first, end - first)

    def _content(self, run: RamPages, index: int, before: bytes | None) -> bytes | None:
        if run.kind == "zero":
            return bytes(run.body(index)) * self.page_size
        if run.kind == "page":
            return bytes(run.page(index))
        raw = bytes(run.body(index))
        if run.kind == "compressed":
            return zlib.decompressobj().decompress(raw, self.page_size).ljust(self.page_size, b"\0")
        return None if before is None else patched(before, raw)


def patched(page: bytes, difference: bytes) -> bytes:
    """A page with an XBZRLE difference applied: in turn bytes that stay and bytes that are new, each behind a length.

    A length is LEB128. Facts from QEMU's migration/xbzrle.c.
    """
    new = bytearray(page)
    at = place = 0
    stays = True
    while at < len(difference):
        length = shift = 0
        while at < len(difference):
            byte = difference[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80 or shift > 14:
                break
        if place + length > len(new):
            raise StreamError("an XBZRLE difference is longer than the page", section="ram")
        if not stays:
            if at + length > len(difference):
                raise StreamError("an XBZRLE difference ends too early", section="ram")
            new[place : place + length] = difference[at : at + length]
            at += length
        place += length
        stays = not stays
    return bytes(new[: len(page)])


def is_difference(difference: bytes | memoryview, size: int) -> bool:
    """Whether QEMU takes an XBZRLE difference to a page of so many bytes (xbzrle_decode_buffer)."""
    at = place = 0
    while at < len(difference):
        first = at == 0
        for stays in (True, False):
            length, read = _short_length(difference[at:])
            if not read or len(difference) - at < 2 or (length == 0 and not (stays and first)):
                return False
            at, place = at + read, place + length
            if place > size:
                return False
            if not stays:
                at += length
        if at > len(difference):
            return False
    return True


def _short_length(data: bytes | memoryview) -> tuple[int, int]:
    """(length, bytes that it takes) of a LEB128 number of at most two bytes; no bytes for one that is longer."""
    if data and not data[0] & 0x80:
        return data[0], 1
    if len(data) > 1 and not data[1] & 0x80:
        return data[0] & 0x7F | data[1] << 7, 2
    return 0, 0


def ranges_of(machine: str | None, blocks: Iterable[RamBlock]) -> list[MemoryRange]:
    """Where a machine has its memory, as far as the stream tells: the largest block that can be it.

    With x-ignore-shared each block says where it is itself.
    """
    ranges = [MemoryRange(block.gpa, block.used_length, block.idstr, 0) for block in blocks if block.gpa is not None]
    if ranges:
        return ranges
    main = _possible_main_blocks(blocks)
    return _ranges_of_block(machine or "", max(main, key=lambda block: block.used_length)) if main else []


def known_ranges(machine: str | None, blocks: Iterable[RamBlock]) -> list[MemoryRange]:
    """The same where nothing is taken on trust; empty where the machine's layout is not known for sure.

    That is so for a machine type whose memory stands elsewhere or that others are called like, and where there are
    several blocks (nodes, modules that were plugged in), of which a stream does not say where they are.
    """
    main = _possible_main_blocks(blocks)
    if machine is None or len(main) != 1 or not main[0].used_length:
        return []
    is_known = machine.startswith(KNOWN_MACHINES) or (machine.startswith("virt") and main[0].idstr == "mach-virt.ram")
    return _ranges_of_block(machine, main[0]) if is_known else []


def _possible_main_blocks(blocks: Iterable[RamBlock]) -> list[RamBlock]:
    return [block for block in blocks if block.idstr in MACHINE_RAM or block.idstr.startswith("/objects/")]


def _ranges_of_block(machine: str, block: RamBlock) -> list[MemoryRange]:
    start, below = _layout(machine, block.used_length)
    low = min(below, block.used_length)
    ranges = [MemoryRange(start, low, block.idstr, 0)]
    if block.used_length > low:
        ranges.append(MemoryRange(4 * GIB, block.used_length - low, block.idstr, low))
    return ranges


def _layout(machine: str, size: int) -> tuple[int, int]:
    """Where memory begins, and how much of it there is below 4 GiB."""
    if machine.startswith("virt"):
        return ARM_VIRT_RAM, size
    if machine.startswith("s390"):
        return 0, size
    if "q35" in machine:
        return 0, 0x8000_0000 if size >= 0xB000_0000 else 0xB000_0000
    if machine.startswith("microvm"):
        return 0, 0xC000_0000
    return 0, 0xC000_0000 if size >= 0xE000_0000 else 0xE000_0000
