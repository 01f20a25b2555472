"""What comes after the recovery of a postcopy migration: a stream without a beginning."""

from __future__ import annotations

from collections.abc import Iterable

from vmstate.stream.events import SectionHeader
from vmstate.stream.ram import RamScanner
from vmstate.stream.ram_records import RamBlock
from vmstate.stream.reader import StreamReader


class GoingOnReader(StreamReader):
    """A `StreamReader` of what comes after a recovery, without a header."""

    @classmethod
    def going_on(
        cls, data: memoryview, started: Iterable[SectionHeader], blocks: Iterable[RamBlock], page_size: int
    ) -> StreamReader:
        """A reader of bytes that are all there; `started` are the sections that come in parts."""
        reader = cls.over(data)
        reader._starts = {header.section_id: header for header in started}
        reader._ram = RamScanner(page_size)
        reader._ram.know(blocks)
        reader._state = reader._part
        return reader
