"""RAM blocks of a stream renamed, resized and left out: the records of its RAM sections, written anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.errors import StreamError
from vmstate.saved.loading import load
from vmstate.stream.ram_records import CONTINUE, FLAG_OF_KIND, RamBlock, RamEvent, RamPages, RamSize
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
    return b"".join(_records(events, grown - lost, edit))


def _records(events: list[RamEvent], change: int, edit: RamEdit) -> Iterator[bytes]:
    touched = False
    for event in events:
        if isinstance(event, RamSize):
            yield (int.from_bytes(event.raw, "big") + change).to_bytes(8, "big")
        elif isinstance(event, RamBlock) and edit.touches(event.idstr):
            if event.idstr in edit.drop:
                continue
            if event.mapped is not None:
                raise StreamError("the memory of a mapped-ram file stays where it is", section=event.idstr)
            name = edit.names.get(event.idstr, event.idstr).encode()
            size = edit.sizes.get(event.idstr, event.used_length)
            rest = bytes(event.raw)[1 + len(event.idstr.encode()) + 8 :]
            yield bytes((len(name),)) + name + size.to_bytes(8, "big") + rest
        elif isinstance(event, RamPages) and edit.touches(event.block):
            touched = True
            yield from _pages(event, edit)
        elif isinstance(event, RamPages) and touched:
            # The block before it may be gone, so that the records say theirs.
            touched = False
            yield _naming(event)
        else:
            yield bytes(event.raw)


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
