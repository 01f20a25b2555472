"""Checkpoints of COLO behind a migration stream, each opened as a plain stream of its own.

COLO goes on where a migration ends: for each checkpoint the source sends be32 1 (request), be32 3 (the state comes),
the memory that has changed, as a stream has it, and its end; be32 4 (size) and be64 the bytes of what follows, the
device sections with their end. The first message can be 0 (ready). What the destination says comes the other way. A
checkpoint is opened as the stream that QEMU would have sent in one migration: the memory of the first stream, that of
every checkpoint up to this one, and its devices; the vmdesc is that of the first stream. Read only. Facts from QEMU's
migration/colo.c and the enumeration COLOMessage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from vmstate.errors import StreamError, VMStateError
from vmstate.files import PIECE
from vmstate.saved.containers import Container
from vmstate.saved.opening import Input, collected
from vmstate.schema.vmdesc import NOTHING_DESCRIBED, read_vmdesc
from vmstate.stream.behind import COLO_READY, COLO_REQUEST, COLO_SEND
from vmstate.stream.ends import find_vmdesc, number
from vmstate.stream.events import Done, EndOfStream, Event, Mark, SectionFooter, SectionHeader, Vmdescription
from vmstate.stream.reader import StreamReader
from vmstate.vmsd.data import Data, NamedTuple

PREFIX = "colo:"
"""What the number of a checkpoint stands behind, in FILE@colo:NUMBER."""

COLO_SIZE = 4
"""The message before the size of the devices' state."""


class Checkpoint(NamedTuple):
    """Where the memory of a checkpoint stands, its end not in it, and its devices with their end."""

    memory_at: int
    memory_end: int
    devices_at: int
    devices_end: int


class ColoCheckpoint(Container, Data):
    """The checkpoint of that number, from 1 on, of so many in a recording."""

    number: int
    count: int
    cut: str | None

    has_older_vmdesc: ClassVar[bool] = True
    """QEMU sends one vmdesc, with the devices of the moment before the first checkpoint."""

    def facts(self) -> dict[str, Any]:
        """Which checkpoint it is, of how many, and what the recording ends with."""
        return {"kind": "colo", "checkpoint": self.number, "checkpoints": self.count, "cut": self.cut}

    def lines(self) -> list[tuple[str, str]]:
        """The same for a reader."""
        rows = [("kept in", f"a recording of COLO, checkpoint {self.number} of {self.count}")]
        return [*rows, ("then", f"cut off: {self.cut}")] if self.cut else rows


class ColoReader(StreamReader):
    """A `StreamReader` that goes on with the checkpoints behind the end."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.checkpoints: list[Checkpoint] = []
        self._memory_at: int | None = None

    def _trailing(self, data: memoryview) -> Event | Done:
        pos = self._pos
        if pos >= len(data):
            return super()._trailing(data)
        message = number(data, 0, pos, 4, "a message of COLO")
        while message in (COLO_READY, COLO_REQUEST):
            pos += 4
            if pos >= len(data):
                self._pos = pos
                return super()._trailing(data)
            message = number(data, 0, pos, 4, "a message of COLO")
        if message != COLO_SEND:
            raise StreamError(
                "no message of COLO's source",
                offset=pos,
                expected="0 (ready), 1 (request) or 3 (state)",
                found=str(message),
            )
        self._memory_at = self._pos = pos + 4
        self._state = self._part
        return self._part(data)

    def _after_end(self, data: memoryview) -> Event | Done:
        if self._memory_at is None:
            return super()._after_end(data)
        pos = self._pos
        message = number(data, 0, pos, 4, "a message of COLO")
        if message != COLO_SIZE:
            raise StreamError(
                "no size of COLO's devices", offset=pos, expected=f"the message {COLO_SIZE}", found=str(message)
            )
        size = number(data, 0, pos + 4, 8, "a message of COLO")
        begin = pos + 12
        if size > len(data) - begin:
            raise StreamError("the devices of a checkpoint are cut off", offset=begin, expected=f"{size} bytes")
        if not size or data[begin + size - 1] != Mark.EOF:
            raise StreamError("the devices of a checkpoint have no end", offset=begin, found=f"{size} bytes")
        self.checkpoints.append(Checkpoint(self._memory_at, pos - 1, begin, begin + size))
        self._memory_at, self._pos = None, begin + size
        return self._trailing(data)


class _Passed:
    """What a pass over a recording tells: where its parts stand."""

    def __init__(self, opened: Input) -> None:
        data = opened.data
        text = find_vmdesc(data, opened.release)
        known = NOTHING_DESCRIBED if text is None else read_vmdesc(text)
        reader = ColoReader.over(data, vmdesc=known, origin=opened.origin)
        assert isinstance(reader, ColoReader)
        self.devices_at = 0
        self.ends: list[int] = []
        """Where sections of memory end: their marks say that no more comes."""
        self.vmdesc = b""
        self.cut: str | None = None
        is_first = True
        try:
            for event in reader.events():
                if isinstance(event, SectionHeader) and event.kind == "end":
                    self.ends.append(event.offset)
                elif isinstance(event, SectionHeader) and event.kind == "full" and is_first:
                    self.devices_at = self.devices_at or event.offset
                elif isinstance(event, EndOfStream) and is_first:
                    is_first = False
                    self.devices_at = self.devices_at or event.offset
                elif isinstance(event, Vmdescription):
                    self.vmdesc = event.to_bytes()
                elif isinstance(event, SectionFooter):
                    opened.check()
        except VMStateError as error:
            if is_first:
                raise
            self.cut = str(error.named(""))
        self.checkpoints = reader.checkpoints


def checkpoints_of(opened: Input) -> tuple[int, str | None]:
    """How many checkpoints stand behind a stream, and with what they end where they break off."""
    passed = _Passed(opened)
    return len(passed.checkpoints), passed.cut


def open_checkpoint(opened: Input, limit: int, part: str) -> Input:
    """The stream of a checkpoint; `part` is colo:NUMBER. Raises `StreamError`."""
    passed = _Passed(opened)
    count = len(passed.checkpoints)
    text = part.removeprefix(PREFIX)
    wanted = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= wanted <= count:
        there_are = f"{PREFIX}1 to {PREFIX}{count}" if count else "a recording of COLO"
        raise StreamError("there is no such checkpoint", file=opened.name, expected=there_are, found=part)
    inside = collected(_pieces(opened.data, passed, wanted), opened.name, limit)
    inside.container = ColoCheckpoint(opened.name, wanted, count, passed.cut)
    opened.close()
    return inside


def _pieces(data: memoryview, passed: _Passed, wanted: int) -> Iterator[bytes]:
    """The stream of a checkpoint: all memory up to it, and its devices."""
    *before, last = passed.checkpoints[:wanted]
    for start, end in ((0, passed.devices_at), *((each.memory_at, each.memory_end) for each in before)):
        marks = [at for at in passed.ends if start <= at < end]
        at = start
        for mark in marks:
            yield from _slices(data, at, mark)
            # More comes.
            yield bytes((Mark.SECTION_PART,))
            at = mark + 1
        yield from _slices(data, at, end)
    yield from _slices(data, last.memory_at, last.memory_end)
    yield from _slices(data, last.devices_at, last.devices_end)
    yield passed.vmdesc


def _slices(data: memoryview, start: int, end: int) -> Iterator[bytes]:
    return (bytes(data[at : min(at + PIECE, end)]) for at in range(start, end, PIECE))
