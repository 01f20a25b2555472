"""Where a section ends that does not say how long it is, and where the vmdesc stands.

A section ends at its footer: 0x7e and its section_id. Machine types before 2.4 write no footers; there it ends where
another part of the stream begins. Both are looked for in the bytes that have come, and where what would decide may be
still to come it is a `TruncatedError` that says how far to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from vmstate.errors import StreamError, TruncatedError, VMStateError
from vmstate.stream.events import FOOTER, CommandType, Mark, SectionHeader

_VMDESC_REACH = 128 << 20
"""Bytes from the end of the data in which a vmdesc is looked for; where it stands before, the reader comes to it."""

_RELEASE = 16 << 20
"""Bytes that are looked through before the system may have them back."""

_SECTION_REACH = 48 << 20
"""Bytes in which the end of a section is looked for that nothing describes: a file can be sparse."""

_FOOTERS_LIMIT = 64
"""The most places that are looked at where a footer of the section seems to stand."""


def need(data: memoryview, base: int, pos: int, size: int, what: str) -> None:
    """Raise `TruncatedError` where `data[pos : pos + size]` is not all there; `base` is the offset of `data[0]`."""
    if pos + size > len(data):
        raise TruncatedError(
            f"the stream ends inside {what}",
            needed=base + pos + size,
            offset=base + pos,
            expected=f"{size} bytes",
            found=f"{max(0, len(data) - pos)}",
        )


def number(data: memoryview, base: int, pos: int, size: int, what: str) -> int:
    """The big-endian number of `size` bytes at `pos`, which must be there."""
    need(data, base, pos, size, what)
    return int.from_bytes(data[pos : pos + size], "big")


class Ends:
    """Where one section can end whose state begins at `data[begin]`.

    `base` is the offset of `data[0]` in the stream. `closed`: nothing follows `data`. `footers`: whether the sections
    of the stream have footers, None where none has shown it yet. `starts` has the sections so far, by section_id.
    """

    __slots__ = ("_base", "_begin", "_closed", "_data", "_footers", "_section_id", "_starts")

    def __init__(
        self,
        data: memoryview,
        base: int,
        closed: bool,
        footers: bool | None,
        starts: Mapping[int, SectionHeader],
        *,
        section_id: int,
        begin: int,
    ) -> None:
        self._data = data
        self._base = base
        self._closed = closed
        self._footers = footers
        self._starts = starts
        self._section_id = section_id
        self._begin = begin

    def is_end(self, end: int) -> bool:
        """Whether a section can end here: at its footer or, where there are none, at a legal part."""
        if self._footers is not False:
            if end >= len(self._data) and not self._closed:
                need(self._data, self._base, end, 1, "a section footer")
            if end < len(self._data) and self._data[end] == FOOTER:
                return number(self._data, self._base, end + 1, 4, "a section footer") == self._section_id
        if self._footers is True or not self.begins_part(end):
            return False
        # Before any section has shown that there are no footers, a zero byte must be more than that.
        return self._footers is False or not self.is_padded_end(end)

    def is_padded_end(self, end: int) -> bool:
        """Whether the stream would be over here with something behind it: as likely a zero byte of the state."""
        return self._data[end] == Mark.EOF and end + 1 < len(self._data) and self._data[end + 1] != Mark.VMDESCRIPTION

    def begins_part(self, pos: int) -> bool:
        """Whether a section, a command or the end of the stream can begin here."""
        if not self.has(pos, 1):
            return False
        mark = self._data[pos]
        if mark == Mark.EOF:
            return not self.has(pos + 1, 1) or self._ends_stream(pos + 1)
        if mark in (Mark.SECTION_PART, Mark.SECTION_END):
            if not self.has(pos, 5):
                return False
            begun = self._starts.get(int.from_bytes(self._data[pos + 1 : pos + 5], "big"))
            return begun is not None and begun.kind == "start"
        if mark == Mark.COMMAND:
            return self.has(pos, 5) and 0 < int.from_bytes(self._data[pos + 1 : pos + 3], "big") <= max(CommandType)
        if mark not in (Mark.SECTION_START, Mark.SECTION_FULL) or not self.has(pos, 6):
            return False
        length = self._data[pos + 5]
        if length == 0 or not self.has(pos, 14 + length):
            return False
        name = bytes(self._data[pos + 6 : pos + 6 + length])
        return name.isascii() and name.decode().isprintable()

    def _ends_stream(self, pos: int) -> bool:
        """Whether what follows the end of the stream can: a whole vmdesc, or anything else."""
        if self._data[pos] != Mark.VMDESCRIPTION:
            return True
        if not self.has(pos, 5):
            return False
        return self.has(pos + 5, int.from_bytes(self._data[pos + 1 : pos + 5], "big"))

    def has(self, pos: int, size: int) -> bool:
        """Whether so many bytes are there; where more can come, they are waited for."""
        if not self._closed:
            need(self._data, self._base, pos, size, "the stream")
        return pos + size <= len(self._data)

    def footers_ahead(self) -> Iterator[int]:
        """Where a footer of the section stands that is followed by a legal part of the stream."""
        footer = bytes((FOOTER,)) + self._section_id.to_bytes(4, "big")
        pos = self._begin
        for _ in range(_FOOTERS_LIMIT):
            pos = find_bytes(self._data, footer, pos)
            if pos < 0:
                return
            if self.begins_part(pos + len(footer)):
                yield pos
            pos += 1

    def opaque_end(self, old_size: int | None, *, may_be_last: bool = True) -> int:
        """Where a section ends that nothing describes; `may_be_last`: whether a last zero byte can end the stream."""
        if old_size is not None and old_size <= _SECTION_REACH:
            end = self._begin + old_size
            if self.has(self._begin, old_size) and self.is_end(end):
                return end
        if self._footers is False:
            from vmstate.stream.no_footers import starts_ahead

            ahead = starts_ahead(self, self._data, self._begin, self._starts)
            if may_be_last and self._closed and self._data[-1] == Mark.EOF:
                ahead = chain(ahead, (len(self._data) - 1,))
        else:
            ahead = self.footers_ahead()
        for end in ahead:
            return end
        if not self._closed:
            raise TruncatedError("the end of the section may be to come", needed=self._base + len(self._data) + 1)
        raise StreamError(
            "nothing describes this section, and its end is not found",
            offset=self._base + self._begin,
            expected="the start of another section"
            if self._footers is False
            else f"a footer with section id {self._section_id}",
        )

    def wrong_footer(self, end: int) -> VMStateError:
        """The error for a section that cannot end at `end`: a `TruncatedError` where the data ends there."""
        expected = f"a footer, 7e{self._section_id:08x}"
        following = bytes(self._data[end : end + 5]).hex() or "the end of the data"
        message = "the section does not end where its state ends"
        offset = self._base + end
        if self.breaks_off(end):
            return TruncatedError(message, needed=offset + 5, offset=offset, expected=expected, found=following)
        return StreamError(message, offset=offset, expected=expected, found=following)

    def breaks_off(self, pos: int) -> bool:
        """Whether the data ends inside what a footer or the header of a part would be that begins here."""
        left = len(self._data) - pos
        if left <= 0:
            return True
        mark = self._data[pos]
        if mark == FOOTER or mark in (Mark.SECTION_PART, Mark.SECTION_END, Mark.COMMAND):
            return left < 5
        if mark in (Mark.SECTION_START, Mark.SECTION_FULL):
            return left < 6 or left < 14 + self._data[pos + 5]
        return False


def find_bytes(data: memoryview, pattern: bytes, start: int) -> int:
    """The position of a pattern from `start` on, or -1; looked for piece by piece, so that nothing large is copied."""
    step = 1 << 12
    stop = min(len(data), start + _SECTION_REACH)
    let_go = getattr(data.obj, "let_go", None)
    held = start
    while start < stop:
        place = bytes(data[start : start + step + len(pattern) - 1]).find(pattern)
        if place >= 0:
            return start + place
        start += step
        step = min(2 * step, 1 << 20)
        if let_go is not None and start - held > _RELEASE:
            let_go()
            held = start
    return -1


def find_vmdesc(data: memoryview, release: Callable[[int, int], None] | None = None) -> bytes | None:
    """The vmdesc at the end of a stream that is all there, or None.

    It stands behind the end of the stream (0x00): 0x06, be32 length, JSON. It is looked for from the end, where it is
    in any stream without trailing bytes, and no further than one can reach: a file can be sparse, and of any size.
    `release` is told what was looked through in vain.
    """
    stop = len(data)
    last = max(0, stop - _VMDESC_REACH)
    step = 1 << 17
    while stop > last:
        start = max(0, (stop - 1) // step * step)
        if type(data.obj) is bytes and len(data.obj) == len(data):
            window, start = data.obj, 0
        else:
            window = bytes(data[start : min(stop + 8, len(data))])
        place = len(window)
        while (place := window.rfind(b"\x00\x06", 0, place)) >= 0:
            at = start + place
            length = int.from_bytes(data[at + 2 : at + 6], "big")
            if 2 <= length <= len(data) - at - 6 and data[at + 6] == 0x7B and data[at + 5 + length] == 0x7D:
                return bytes(data[at + 6 : at + 6 + length])
            place += 1
        stop = start
        if release is not None and not start % _RELEASE:
            release(start, start + _RELEASE)
    return None
