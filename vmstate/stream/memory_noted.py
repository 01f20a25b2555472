"""Where the pages of a stream stand, noted while it is read."""

from __future__ import annotations

from collections.abc import Iterator

from vmstate.stream.events import Command, CommandType, Event
from vmstate.stream.memory_pages import NotedRun
from vmstate.stream.ram_records import RamPages
from vmstate.stream.reader import StreamReader

MOST_NOTED = 1 << 15
"""Runs of which it is noted where they stand: 10 MB."""


class NotedPages:
    """Where pages stand, noted while a stream is read, so that nobody has to go through its memory a second time.

    Only for a stream whose pages are all plain or zero: where it has others, `runs` is None in the end.
    """

    def __init__(self) -> None:
        self.runs: list[NotedRun] | None = []

    @property
    def reader(self) -> type[StreamReader]:
        """A reader that notes; what is begun again is noted anew."""
        noted = self

        class Noting(StreamReader):
            def events(self) -> Iterator[Event]:
                noted.runs = []
                for event in super().events():
                    noted.note(event)
                    yield event

        return Noting

    def note(self, event: Event) -> None:
        """Take an event of memory."""
        if isinstance(event, Command) and event.command == CommandType.POSTCOPY_RAM_DISCARD:
            # Pages that were sent count no longer.
            self.runs = None
        if self.runs is None or not isinstance(event, RamPages):
            return
        if event.kind not in ("page", "zero") or len(self.runs) >= MOST_NOTED:
            self.runs = None
            return
        first, end = event.body_span(0)
        at, stride = event.offset + first, end - first + 8
        if event.kind == "zero" and any(event.raw[first::stride]):
            self.runs = None
            return
        addresses = list(event.addresses())
        last = self.runs[-1] if self.runs else None
        if last is not None and last.goes_on(event.block, event.kind, at, stride):
            joined = _evenly(last.addresses, addresses)
            if joined is not None:
                self.runs[-1] = last._replace(addresses=joined)
                return
        evenly = _evenly(range(addresses[0], addresses[0] + 1), addresses[1:])
        if evenly is not None:
            self.runs.append(NotedRun(event.block, event.kind, evenly, at, stride))
            return
        self.runs.extend(
            NotedRun(event.block, event.kind, range(address, address + 1), at + number * stride, stride)
            for number, address in enumerate(addresses)
        )


def _evenly(known: range, more: list[int]) -> range | None:
    """Numbers that go on as those do that are known; None where they do not."""
    if not more:
        return known
    step = known.step if len(known) > 1 else more[0] - known[0]
    if step <= 0:
        return None
    joined = range(known[0], known[-1] + step * len(more) + 1, step)
    return joined if list(joined[len(known) :]) == more else None
