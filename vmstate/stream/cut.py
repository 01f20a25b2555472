"""What is whole of a stream that is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from vmstate.errors import VMStateError
from vmstate.schema.vmdesc import NOTHING_DESCRIBED, read_vmdesc
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import Event, SectionFooter, SectionHeader
from vmstate.stream.ram_records import RamEvent
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import RamSummary, Stream, parts_of
from vmstate.vmsd.collector import collector_paused

if TYPE_CHECKING:
    from vmstate.stream.source import StreamSource


class CutStream(Stream):
    """A stream that breaks off. `begun` is what is there of a section of memory that is not whole."""

    begun: RamSummary | None = None

    @property
    def ram(self) -> RamSummary:
        """The blocks, and the pages of all RAM sections together, and of the one that breaks off."""
        whole = super().ram
        if self.begun is not None:
            whole.include(self.begun)
        return whole

    def noting(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events, with what they say of memory noted."""
        for event in events:
            if isinstance(event, RamEvent):
                self.begun = RamSummary(offset=event.offset) if self.begun is None else self.begun
                self.begun.add(event)
            elif isinstance(event, SectionHeader | SectionFooter):
                self.begun = None
            yield event


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

    stream = CutStream((), source, source.name, events)
    try:
        with collector_paused():
            for part in parts_of(stream.noting(reader.events()), source.release):
                stream.parts.append(part)
                stream.whole = reader.offset
    except VMStateError as error:
        if not reader.is_cut or len(stream.parts) < 2:
            raise failure from None
        stream.cut = error
        return stream
    raise failure
