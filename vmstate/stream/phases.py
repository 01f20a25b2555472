"""Sections that come when the destination runs, behind the first end of a stream: NETPASS of a proposed series.

    stream = vmstate.load("guest.mig", phases="netpass")
    phase_of(stream, stream["filter-netpass/net0"])      # SavePhase.NETPASS

From patches, not seen: no release of QEMU sends them ("migration: netpass", 27 Jan 2026). Behind the first end, and the
vmdesc where there is one, stand full sections and a second end. Without a word of the caller nobody guesses them:
bytes behind an end are trailing bytes, of which QEMU reads nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from vmstate.errors import StreamError
from vmstate.stream.events import DeviceState, Done, EndOfStream, Event, Mark, SectionFooter, SectionHeader, Trailing
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Section, Stream
from vmstate.stream.writer import NEXT, StreamWriter
from vmstate.vmsd.phase import SavePhase


class NetpassReader(StreamReader):
    """A `StreamReader` that reads full sections and a second end behind the first end and the vmdesc."""

    _is_behind = False

    def _trailing(self, data: memoryview) -> Event | Done:
        if self._is_behind or (self._closed and self._pos >= len(data)):
            return super()._trailing(data)
        if self._pos >= len(data):
            self._state = self._trailing
            return super()._trailing(data)
        self._is_behind = True
        self._state = self._part
        return self._part(data)

    def _part(self, data: memoryview) -> Event | Done:
        if self._is_behind and self._pos < len(data) and data[self._pos] not in (Mark.SECTION_FULL, Mark.EOF):
            raise StreamError(
                "behind the end of the stream stand sections of the phase netpass, and nothing else",
                offset=self._base + self._pos,
                expected="a full section or a second end",
                found=f"{data[self._pos]:#04x}",
            )
        return super()._part(data)

    def _after_end(self, data: memoryview) -> Event | Done:
        return super()._trailing(data) if self._is_behind else super()._after_end(data)


_LATE: dict[Any, str] = {SectionHeader: "late payload", EndOfStream: "late end"}


class NetpassWriter(StreamWriter):
    """A `StreamWriter` that takes sections and a second end behind the first end."""

    _next: ClassVar[dict[str, dict[Any, str]]] = {
        **NEXT,
        "end": {**NEXT["end"], **_LATE},
        "behind": {**NEXT["behind"], **_LATE},
        "late": _LATE,
        "late payload": {DeviceState: "late footer"},
        "late footer": {SectionFooter: "late"},
        "late end": {Trailing: "done"},
    }
    _expected = "a full section of the phase netpass, or the second end"


READERS: dict[str, type[StreamReader]] = {SavePhase.NETPASS: NetpassReader}
"""What reads a stream, by the phase that a caller asks for."""


def phase_of(stream: Stream, section: Section) -> SavePhase:
    """When a section of a stream was saved: behind its first end, in front of memory, or at the stop.

    In front of the first part of RAM that is no list of blocks stands what its device sends early (`early_setup`).
    Raises `StreamError` where the section is none of the stream's.
    """
    behind = False
    for part in stream.parts:
        if part is section:
            if behind:
                return SavePhase.NETPASS
            # An early copy that was put there (`early insert`) is of the phase in which it stands, as well.
            is_in_front = section.kind == "full" and any(
                later.is_ram and later.kind in ("part", "end") and later.offset > section.offset
                for later in stream.sections
            )
            return SavePhase.EARLY_SETUP if is_in_front else SavePhase.COMPLETE
        behind = behind or isinstance(part, EndOfStream)
    raise StreamError("the section is not of this stream", section=section.name)
