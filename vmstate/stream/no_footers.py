"""Where a section ends in a stream without footers, as machine types before 2.4 write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.stream.ends import Ends, find_bytes
from vmstate.stream.events import Mark, SectionHeader


def starts_ahead(ends: Ends, data: memoryview, pos: int, starts: Mapping[int, SectionHeader]) -> Iterator[int]:
    """Where, from `pos` on, another section seems to start; `starts` has those that have been."""
    mark = bytes((Mark.SECTION_FULL, 0, 0))
    while (pos := find_bytes(data, mark, pos)) >= 0:
        version = pos + 10 + data[pos + 5] if pos + 5 < len(data) else 0
        # Of a section that has not been, at a likely version.
        if (
            ends.begins_part(pos)
            and int.from_bytes(data[pos + 1 : pos + 5], "big") not in starts
            and not any(data[version : version + 3])
        ):
            yield pos
        pos += 1
