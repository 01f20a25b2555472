"""RAM that comes on another connection than the stream that lists its blocks: the preempt channel, a recovery."""

from __future__ import annotations

from collections.abc import Iterable

from vmstate.stream.events import SectionHeader
from vmstate.stream.ram import Block, RamScanner
from vmstate.stream.ram_records import RamBlock, RamPages
from vmstate.stream.reader import StreamReader


class FurtherScanner(RamScanner):
    """A `RamScanner` of records whose blocks another connection has listed."""

    def know(self, blocks: Iterable[RamBlock]) -> None:
        """Take the blocks."""
        self._blocks = {block.idstr.encode(): Block(block.idstr, block.used_length) for block in blocks}

    def last_run(self, data: memoryview) -> tuple[RamPages, int] | None:
        """The run that is gathered, where `data`, from the offset 0 on, ends behind it and nothing more will come."""
        run = self._run
        if run is None or run.next != len(data):
            return None
        self._run = None
        raw = data[run.offset : run.next]
        return RamPages(run.offset, raw, run.kind, run.block.name, run.address, run.count), run.next


class GoingOnReader(StreamReader):
    """A `StreamReader` of what comes after a recovery, without a header."""

    @classmethod
    def going_on(
        cls, data: memoryview, started: Iterable[SectionHeader], blocks: Iterable[RamBlock], page_size: int
    ) -> StreamReader:
        """A reader of bytes that are all there; `started` are the sections that come in parts."""
        reader = cls.over(data)
        reader._starts = {header.section_id: header for header in started}
        scanner = FurtherScanner(page_size)
        scanner.know(blocks)
        reader._ram = scanner
        reader._state = reader._part
        return reader
