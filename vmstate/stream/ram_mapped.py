"""The layout of mapped-ram: where the bitmap and the pages of a block stand, and all of it laid out for another place.

The blocks name positions of the file: of their bitmap, and of their pages, which begin at a multiple of `ALIGNMENT` and
behind which QEMU reads on (`parse_ramblock_mapped_ram` of migration/ram.c). So whatever is written in front of them
that is longer or shorter than it was moves them.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from vmstate.stream.ram import FILE_LIMIT, MAPPED_HEADER, MAPPED_VERSION, Part, RamScanner, refused
from vmstate.stream.ram_records import MappedRamHeader, RamBlock, RamMapped
from vmstate.stream.source import StreamSource
from vmstate.stream.stream import RamSummary, Section, Stream

if TYPE_CHECKING:
    from vmstate.stream.events import Event

ALIGNMENT = 1 << 20
"""Where the pages of a block begin: at a multiple of this, in bytes of the file."""

_OFFSETS = struct.Struct(">QQ")
_ZEROS = bytes(1 << 20)


def bitmap_size(used_length: int, page_size: int) -> int:
    """Bytes of the bitmap of a block: a bit for each page, in words of 64."""
    return -(-(used_length // page_size) // 64) * 8


def check_header(block: str, header: MappedRamHeader, at: int, page_size: int) -> None:
    """Refuse a header at the offset `at` that QEMU does not read. Raises `StreamError`."""
    if header.version > MAPPED_VERSION:
        raise refused(
            f"mapped-ram version of RAM block {block!r} not supported",
            at,
            expected=f"at most {MAPPED_VERSION}",
            found=str(header.version),
        )
    if header.page_size != page_size:
        raise refused(
            f"wrong mapped-ram page size of RAM block {block!r}",
            at,
            expected=str(page_size),
            found=str(header.page_size),
        )
    if header.pages_offset % page_size:
        raise refused(
            f"the pages of RAM block {block!r} are not aligned",
            at,
            expected=f"a multiple of {page_size}",
            found=f"{header.pages_offset:#x}",
        )


def parts_of(block: str, used_length: int, header: MappedRamHeader, at: int, origin: int) -> deque[Part]:
    """What lies between the header at the offset `at` of a stream that begins at `origin` of its file, and the next
    entry of the block list. Raises `StreamError`.
    """
    after = at + MAPPED_HEADER.size
    bitmap = header.bitmap_offset - origin
    pages = header.pages_offset - origin
    bitmap_end = bitmap + bitmap_size(used_length, header.page_size)
    if not after <= bitmap <= bitmap_end <= pages <= FILE_LIMIT - used_length:
        raise refused(
            f"the bitmap and pages of RAM block {block!r} do not follow its header in order",
            at,
            expected=f"file positions from {after + origin:#x} on",
            found=f"{header.bitmap_offset:#x} and {header.pages_offset:#x}",
        )
    parts = (
        Part(block, "padding", after, bitmap),
        Part(block, "bitmap", bitmap, bitmap_end),
        Part(block, "padding", bitmap_end, pages),
        Part(block, "pages", pages, pages + used_length),
    )
    return deque(part for part in parts if part.start < part.stop)


def emptied(event: RamMapped) -> Iterator[RamMapped]:
    """A piece of a block as it is where no page is kept: zeros, as many."""
    offset, size = event.offset, len(event.raw)
    for done in range(0, size, len(_ZEROS)):
        address = None if event.address is None else event.address + done
        raw = memoryview(_ZEROS)[: size - done]
        yield RamMapped(offset + done, raw, event.block, event.part, address)


def relaid(events: Iterable[tuple[Any, bytes | memoryview]], at: int) -> Iterator[bytes | memoryview]:
    """The bytes of events with mapped-ram laid out anew; the first byte will stand at position `at` of a file.

    With each event come its bytes.
    """
    pages = 0
    for event, event_bytes in events:
        raw = event_bytes
        if isinstance(event, RamMapped) and event.part == "padding":
            continue
        if pages and not (isinstance(event, RamMapped) and event.part == "bitmap"):
            # The pages of a block begin, or what is behind a block that has none.
            while at < pages:
                gap = _ZEROS[: pages - at]
                at += len(gap)
                yield gap
            pages = 0
        if isinstance(event, RamBlock) and event.mapped is not None and event.mapped.pages_offset:
            bitmap = at + len(raw)
            pages = -(-(bitmap + bitmap_size(event.used_length, event.mapped.page_size)) // ALIGNMENT) * ALIGNMENT
            raw = bytes(raw[: -_OFFSETS.size]) + _OFFSETS.pack(bitmap, pages)
        at += len(raw)
        yield raw


def mapped_chunks(stream: Stream, origin: int) -> Iterator[bytes | memoryview]:
    """What `Stream.chunks` gives of a stream of mapped-ram whose first byte will stand at position `origin` of a file.

    Memory stays as it is where it stands at its place. Raises `StreamError` where the blocks name no positions that
    follow each other.
    """
    at = origin
    for part in stream.parts:
        if isinstance(part, Section) and part.kind == "start" and part.is_ram and part.state.raw is None:
            chunks = _ram_chunks(stream, part, at)
        else:
            chunks = stream.chunks_of(part)
        for chunk in chunks:
            at += len(chunk)
            yield chunk


def _ram_chunks(stream: Stream, section: Section, at: int) -> Iterator[bytes | memoryview]:
    """The bytes of the section that has the blocks of memory, which will stand at position `at` of a file."""
    head, source = section.header.to_bytes(), stream.input
    at += len(head)
    yield head
    if source is None or source.origin + section.state.offset == at:
        yield from stream.ram_bytes(section.state)
    else:
        yield from relaid(_events(stream, source, section.state), at)
    yield section.footer.to_bytes()


def _events(stream: Stream, source: StreamSource, summary: RamSummary) -> Iterator[tuple[Event, memoryview]]:
    configuration = stream.configuration
    is_ignored = configuration is not None and configuration.has_capability("x-ignore-shared")
    # The headers say how large a page is.
    scanner = RamScanner(None, ignore_shared=is_ignored, mapped_ram=True, origin=source.origin + summary.offset)
    data, place = source.data[summary.offset : summary.offset + summary.size], 0
    while place < summary.size:
        event_and_end = scanner.next_event(data, place, summary.size, 0)
        if event_and_end is None:
            raise scanner.at_end(summary.size)
        event, place = event_and_end
        yield event, event.raw
        source.release(summary.offset, summary.offset + place)
