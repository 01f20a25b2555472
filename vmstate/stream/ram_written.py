"""RAM of a stream in hand, as the events by which it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmstate.stream.events import Event
from vmstate.stream.ram_records import END_SIZE, RamBytes, RamEnd


def ram_events(pieces: Iterable[memoryview], offset: int) -> Iterator[Event]:
    """The bytes of a RAM section as events; its last record ends the section, and is one of its own."""
    held = memoryview(b"")
    for piece in pieces:
        # It can begin in one piece and end in the next.
        whole = memoryview(bytes(held) + bytes(piece)) if held else piece
        cut = max(0, len(whole) - END_SIZE)
        if cut:
            yield RamBytes(offset, whole[:cut])
        held = whole[cut:]
    yield RamEnd(offset, held)
