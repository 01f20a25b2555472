"""Streams that differ from an earlier one in nothing but bytes that make no difference: those have its row.

An outline is a stream without the bytes between header and footer of the sections that have keys
(`vmstate.stream.seen`). A stream of the same length whose other bytes are those of an outline is made of the same
parts, if its sections in turn have keys that were met there; and what is said of it is decided by these keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from stat import S_ISREG
from typing import Any

from vmstate.stream.seen import Keys, Seen, SeenSection, SeenStream
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data

LARGEST = 4 << 20
"""Bytes of a file at most."""

MOST_LITERAL = 1 << 20
"""Bytes at most that two streams must have in common: where more is sent of guest memory, no other has the same."""

MOST_KEPT = 32 << 20
"""Bytes of outlines that are kept; then all are forgotten."""

MOST_ROWS = 5_000
"""Rows that are kept; then all are forgotten."""

MOST_ALIKE = 16
"""Outlines of one length, the latest, that are tried."""


class _Sent(Data):
    """A section with a key: where its bytes stand, and what is said of it beside them."""

    start: int
    end: int
    place: bytes


class Outline:
    """The bytes that a stream must have in common with an earlier one, and where its sections stand between them."""

    def __init__(self, number: int, data: bytes, sent: list[_Sent], memory: bytes | None) -> None:
        self.number = number
        self.sent = sent
        self.memory = memory
        edges = [0, *(at for section in sent for at in (section.start, section.end)), len(data)]
        # The last comes first: vmdescs tell most streams apart that are no longer than each other.
        self.literals = [
            (start, end, data[start:end]) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end
        ][::-1]
        self.size = sum(len(literal) for _, _, literal in self.literals)

    def keys_in(self, data: bytes, seen: Seen) -> tuple[bytes, ...] | None:
        """The keys of the sections of a stream of the same length; None where it is not of this outline."""
        if any(data[start:end] != literal for start, end, literal in self.literals):
            return None
        return tuple(
            seen.keys_of(section.place, data[section.start : section.end], self.memory).key for section in self.sent
        )


class Outlines:
    """What is kept of whole streams."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.by_length: dict[int, list[Outline]] = {}
        self.rows: dict[tuple[int, tuple[bytes, ...]], Mapping[str, Any]] = {}
        self.kept = 0
        self.made = 0

    def row_of(self, path: str) -> dict[str, Any] | None:
        """The row of a file, but for its name, if its like was met; None where it must be read."""
        data = self._contents(path)
        if data is None:
            return None
        for outline in self.by_length[len(data)]:
            keys = outline.keys_in(data, self.seen)
            if keys is not None:
                row = self.rows.get((outline.number, keys))
                return None if row is None else dict(row)
        return None

    def _contents(self, path: str) -> bytes | None:
        """The bytes of an ordinary file that is as long as an outline; of what cannot be read others tell."""
        try:
            status = os.stat(path)
            if not S_ISREG(status.st_mode) or status.st_size not in self.by_length:
                return None
            with open(path, "rb") as file:
                data = file.read(status.st_size + 1)
        except OSError:
            return None
        return data if len(data) == status.st_size else None

    def keep(self, stream: Stream, row: Mapping[str, Any]) -> None:
        """Keep the row of a stream that was read from an ordinary file, and that is sound as far as anybody asked."""
        source = stream.input
        if not isinstance(stream, SeenStream) or source is None or source.container is not None or source.origin:
            return
        if len(source.data) > LARGEST or row["size"] != len(source.data) or row["verify"] not in (None, "ok"):
            return
        sections = [(part, part.keys) for part in stream.parts if isinstance(part, SeenSection) and part.keys]
        literal = len(source.data) - sum(len(section.raw) for section, _ in sections)
        if literal > MOST_LITERAL:
            return
        data = bytes(source.data)
        outline = self._outline_of(data, sections, stream.memory_key, literal)
        # Not those that the sections were read with: what is looked at may have been found out meanwhile.
        keys = outline.keys_in(data, self.seen)
        assert keys is not None
        if len(self.rows) >= MOST_ROWS:
            self.rows.clear()
        self.rows[outline.number, keys] = row

    def _outline_of(
        self, data: bytes, sections: list[tuple[SeenSection, Keys]], memory: bytes | None, literal: int
    ) -> Outline:
        alike = self.by_length.get(len(data), [])
        for outline in alike:
            if outline.keys_in(data, self.seen) is not None:
                return outline
        self.kept += literal
        if self.kept > MOST_KEPT:
            self.kept = literal
            self.by_length.clear()
            self.rows.clear()
            alike = []
        sent = [
            _Sent(section.payload_offset, section.payload_offset + len(section.raw), known.place)
            for section, known in sections
        ]
        self.made += 1
        made = Outline(self.made, data, sent, memory)
        self.by_length[len(data)] = [made, *alike[: MOST_ALIKE - 1]]
        return made
