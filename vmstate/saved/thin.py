"""A stream without the contents of memory: small enough for a repository, every device as it was.

Header, configuration, commands, device sections and vmdesc are copied byte for byte; of the section `ram` the list of
blocks and the marks at the ends of its parts stay, and the pages go, those of ROM too. It is a legal stream: QEMU
leaves a page that is not sent as the destination has it, so ROM is that of the destination, and memory is empty. A
machine that never ran can be loaded from it. One that did needs its memory, in which rings are looked up at load.

The pages of mapped-ram have their places, behind which QEMU reads on: they become zeros, holes in a file, and so does
the bitmap, which says that none of them was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from vmstate.errors import VMStateError
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.stream.events import Event, Trailing
from vmstate.stream.ram_mapped import emptied, relaid
from vmstate.stream.ram_records import RamMapped, RamPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Stream
from vmstate.stream.writer import StreamWriter

RELEASE = 16 << 20
"""Bytes of memory that are passed before the system may have them back."""


def thin(source: StreamLike | Input | Stream, origin: int = 0) -> Iterator[bytes]:
    """The bytes of a stream without its pages of memory, and without what stands behind its end, piece by piece.

    `source` is a `Stream` as it is now, or what `load` takes, and is closed; of one with gigabytes of memory only a
    window is held at a time. `origin`: where in a file the first byte will stand, which mapped-ram minds. Raises
    `VMStateError`.
    """
    if isinstance(source, Stream):
        yield from _thin_stream(source, origin)
        return
    with source if isinstance(source, Input) else open_input(source) as opened:
        try:
            events = _kept(StreamReader.over(opened.data, origin=opened.origin).events(), opened)
            yield from _written(events, opened.origin, origin)
        except VMStateError as error:
            raise error.within(file=opened.name) from None


def _kept(events: Iterable[Event], opened: Input) -> Iterator[Event]:
    """The events; what was passed the system may have back."""
    released = 0
    for event in events:
        yield event
        if event.offset - released > RELEASE:
            opened.release(released, event.offset)
            released = event.offset


def _written(events: Iterable[Event], old: int, new: int) -> Iterator[bytes]:
    """What is written of events that were read at the position `old` of a file, for the position `new`."""
    writer = StreamWriter()
    pieces = (
        (kept, writer.send(kept))
        for event in events
        if not isinstance(event, RamPages | Trailing)
        for kept in (emptied(event) if isinstance(event, RamMapped) else (event,))
    )
    return (piece for _, piece in pieces) if old == new else map(bytes, relaid(pieces, new))


def _thin_stream(stream: Stream, origin: int) -> Iterator[bytes]:
    """The same of a stream in hand, which may have been changed since it was read."""
    reader = StreamReader(vmdesc=stream.vmdesc)

    def events() -> Iterator[Event]:
        for piece in chain(stream.chunks(), (b"",)):
            reader.receive_data(piece)
            yield from reader.events()

    try:
        yield from _written(events(), 0, origin)
    except VMStateError as error:
        raise error.within(file=stream.name) from None
