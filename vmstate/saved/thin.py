"""A stream without the contents of memory: small enough for a repository, every device as it was.

Header, configuration, commands, device sections and vmdesc are copied byte for byte; of the section `ram` the list of
blocks and the marks at the ends of its parts stay, and the pages go, those of ROM too. It is a legal stream: QEMU
leaves a page that is not sent as the destination has it, so ROM is that of the destination, and memory is empty. A
machine that never ran can be loaded from it. One that did needs its memory, in which rings are looked up at load.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from vmstate.errors import StreamError, VMStateError
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.stream.events import Trailing
from vmstate.stream.ram_records import RamMapped, RamPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Stream
from vmstate.stream.writer import StreamWriter

RELEASE = 16 << 20
"""Bytes of memory that are passed before the system may have them back."""


def thin(source: StreamLike | Input | Stream) -> Iterator[bytes]:
    """The bytes of a stream without its pages of memory, and without what stands behind its end, piece by piece.

    `source` is a `Stream` as it is now, or what `load` takes, and is closed; of one with gigabytes of memory only a
    window is held at a time. Raises `VMStateError`: a mapped-ram file cannot be made smaller so, since its pages have
    fixed places.
    """
    if isinstance(source, Stream):
        yield from _thin_stream(source)
        return
    with source if isinstance(source, Input) else open_input(source) as opened:
        writer = StreamWriter()
        released = 0
        try:
            for event in StreamReader.over(opened.data, origin=opened.origin).events():
                if isinstance(event, RamMapped):
                    raise StreamError("the memory of a mapped-ram file cannot be left out", offset=event.offset)
                if not isinstance(event, RamPages | Trailing):
                    yield writer.send(event)
                elif event.offset - released > RELEASE:
                    opened.release(released, event.offset)
                    released = event.offset
        except VMStateError as error:
            raise error.within(file=opened.name) from None


def _thin_stream(stream: Stream) -> Iterator[bytes]:
    """The same of a stream in hand, which may have been changed since it was read."""
    reader, writer = StreamReader(vmdesc=stream.vmdesc), StreamWriter()
    try:
        for piece in chain(stream.chunks(), (b"",)):
            reader.receive_data(piece)
            for event in reader.events():
                if isinstance(event, RamMapped):
                    raise StreamError("the memory of a mapped-ram file cannot be left out", offset=event.offset)
                if not isinstance(event, RamPages | Trailing):
                    yield writer.send(event)
    except VMStateError as error:
        raise error.within(file=stream.name) from None
