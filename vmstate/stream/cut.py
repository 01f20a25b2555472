"""What is whole of a stream that is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from vmstate.errors import VMStateError
from vmstate.schema.vmdesc import NOTHING_DESCRIBED, read_vmdesc
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import Event
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Stream, parts_of
from vmstate.vmsd.collector import collector_paused

if TYPE_CHECKING:
    from vmstate.stream.source import StreamSource


def whole_parts(source: StreamSource, failure: VMStateError) -> Stream:
    """The parts of a stream up to where it is cut off, with the reason in `cut`; `failure` is why it was refused.

    Raises that where it is no cut, or where nothing behind the header is whole.
    """
    data = source.data
    text = find_vmdesc(data, source.release)
    known = NOTHING_DESCRIBED if text is None else read_vmdesc(text)
    reader = StreamReader.over(data, vmdesc=known, origin=source.origin)

    def events() -> Iterator[Event]:
        # The memory that came before the cut is there.
        with suppress(VMStateError):
            yield from StreamReader.over(data, vmdesc=known, origin=source.origin).events()

    stream = Stream((), source, source.name, events)
    try:
        with collector_paused():
            for part in parts_of(reader.events(), source.release):
                stream.parts.append(part)
                stream.whole = reader.offset
    except VMStateError as error:
        if not reader.is_cut or len(stream.parts) < 2:
            raise failure from None
        stream.cut = error
        return stream
    raise failure
