"""RAM blocks of a stream renamed, resized and left out: the records of its RAM sections, written anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.errors import StreamError
from vmstate.saved.loading import load
from vmstate.stream.ram_mapped import bitmap_size, relaid
from vmstate.stream.ram_records import CONTINUE, FLAG_OF_KIND, RamBlock, RamEvent, RamMapped, RamPages, RamSize
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import RamSummary
from vmstate.vmsd.data import Data


class RamEdit(Data):
    """What is done to RAM blocks: `names`: name -> the new one; `sizes`: name -> bytes; `drop`: those left out."""

    names: Mapping[str, str] = {}
    sizes: Mapping[str, int] = {}
    drop: frozenset[str] = frozenset()

    def touches(self, block: str) -> bool:
        """Whether a block's records are others afterwards."""
        return block in self.names or block in self.sizes or block in self.drop


def edit_ram(data: bytes, edit: RamEdit) -> bytes:
    """A stream with its RAM blocks edited. Pages behind the end of a block that shrinks are left out.

    Raises `StreamError` for pages of a touched block that are neither whole nor of one byte.
    """
    with load(data) as stream:
        for section in stream.sections:
            summary = section.state
            if isinstance(summary, RamSummary):
                section.state = RamSummary(raw=_edited(data, summary, edit))
        return stream.to_bytes()


def _edited(data: bytes, summary: RamSummary, edit: RamEdit) -> bytes:
    """The bytes of a RAM section, edited."""
    end = summary.offset + summary.size
    events = [
        event
        for event in StreamReader.over(memoryview(data)).events()
        if isinstance(event, RamEvent) and summary.offset <= event.offset < end
    ]
    blocks = [event for event in events if isinstance(event, RamBlock)]
    lost = sum(block.used_length for block in blocks if block.idstr in edit.drop)
    grown = sum(edit.sizes[block.idstr] - block.used_length for block in blocks if block.idstr in edit.sizes)
    records = _records(events, grown - lost, edit)
    if any(block.mapped is not None for block in blocks):
        return b"".join(relaid(records, summary.offset))
    return b"".join(raw for _, raw in records)


def _records(events: list[RamEvent], change: int, edit: RamEdit) -> Iterator[tuple[RamEvent, bytes]]:
    """What is left of the events, and the bytes of each."""
    touched = False
    page_size = 0
    for event in events:
        if isinstance(event, RamSize):
            yield event, (int.from_bytes(event.raw, "big") + change).to_bytes(8, "big")
        elif isinstance(event, RamBlock | RamMapped) and _name_of(event) in edit.drop:
            continue
        elif isinstance(event, RamBlock) and edit.touches(event.idstr):
            name = edit.names.get(event.idstr, event.idstr).encode()
            size = edit.sizes.get(event.idstr, event.used_length)
            page_size = page_size if event.mapped is None else event.mapped.page_size
            rest = bytes(event.raw)[1 + len(event.idstr.encode()) + 8 :]
            yield event.replace(used_length=size), bytes((len(name),)) + name + size.to_bytes(8, "big") + rest
        elif isinstance(event, RamMapped) and event.block in edit.sizes:
            size = edit.sizes[event.block]
            size = bitmap_size(size, page_size) if event.part == "bitmap" else size
            yield event, bytes(event.raw[:size]).ljust(size, b"\0")
        elif isinstance(event, RamPages) and edit.touches(event.block):
            touched = True
            yield from ((event, record) for record in _pages(event, edit))
        elif isinstance(event, RamPages) and touched:
            # The block before it may be gone, so that the records say theirs.
            touched = False
            yield event, _naming(event)
        else:
            yield event, bytes(event.raw)


def _name_of(event: RamBlock | RamMapped) -> str:
    return event.idstr if isinstance(event, RamBlock) else event.block


def _naming(event: RamPages) -> bytes:
    """A run of records whose first names its block."""
    raw = bytes(event.raw)
    header = int.from_bytes(raw[:8], "big")
    if not header & CONTINUE:
        return raw
    name = event.block.encode()
    return (header & ~CONTINUE).to_bytes(8, "big") + bytes((len(name),)) + name + raw[8:]


def _pages(event: RamPages, edit: RamEdit) -> Iterator[bytes]:
    """The records of a touched block, each naming it."""
    if event.block in edit.drop:
        return
    if event.kind not in ("page", "zero"):
        raise StreamError(f"pages of the kind {event.kind!r} cannot be edited", section=event.block)
    name = edit.names.get(event.block, event.block).encode()
    largest = edit.sizes.get(event.block)
    flags = FLAG_OF_KIND[event.kind]
    for number, address in enumerate(event.addresses()):
        if largest is None or address < largest:
            yield (address | flags).to_bytes(8, "big") + bytes((len(name),)) + name + bytes(event.body(number))
