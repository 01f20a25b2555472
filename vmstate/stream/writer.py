"""The sans-I/O writer of a migration stream: events go in, bytes come out, and only in an order that QEMU reads."""

from __future__ import annotations

from typing import Any, ClassVar

from vmstate.errors import StreamError
from vmstate.stream.events import (
    Command,
    ConfigurationSection,
    DeviceState,
    EndOfStream,
    Event,
    Header,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
)
from vmstate.stream.ram_records import RamEnd, RamEvent

_PART = "a section, a command or the end of the stream"
_PARTS: dict[type, str] = {SectionHeader: "payload", Command: "part", EndOfStream: "end"}

# What may come in each state, and the state it leads to. RAM events are looked up as `RamEvent`.
NEXT: dict[str, dict[Any, str]] = {
    "header": {Header: "first"},
    "first": {ConfigurationSection: "part", **_PARTS},
    "part": _PARTS,
    "payload": {DeviceState: "footer", RamEvent: "ram", RamEnd: "footer"},
    "ram": {RamEvent: "ram", RamEnd: "footer"},
    "footer": {SectionFooter: "part"},
    "end": {Vmdescription: "behind", Trailing: "done"},
    "behind": {Trailing: "done"},
    "done": {},
}
_EXPECTED = {
    "header": "the header",
    "first": f"the configuration, {_PART}",
    "part": _PART,
    "payload": "the state of the section",
    "ram": "a RAM record",
    "footer": "the footer of the section",
    "end": "the vmdesc, or nothing",
    "behind": "nothing but trailing bytes",
    "done": "nothing",
}


class StreamWriter:
    """Writes one migration stream."""

    _next: ClassVar[dict[str, dict[Any, str]]] = NEXT
    _expected = "nothing"

    def __init__(self) -> None:
        self._state = "header"
        self._section_id: int | None = None
        self._started: set[int] = set()

    def send(self, event: Event) -> bytes:
        """The bytes of an event. Raises `StreamError` where a stream cannot go on with it."""
        kind = RamEvent if isinstance(event, RamEvent) and not isinstance(event, RamEnd) else type(event)
        following = self._next[self._state].get(kind)
        if following is None:
            raise StreamError(
                "the stream cannot go on so",
                expected=_EXPECTED.get(self._state, self._expected),
                found=type(event).__name__,
            )
        if isinstance(event, SectionHeader):
            if event.kind in ("part", "end") and event.section_id not in self._started:
                raise StreamError(
                    f"a section {event.kind} that was not started", found=f"section id {event.section_id}"
                )
        elif isinstance(event, SectionFooter) and event.section_id not in (None, self._section_id):
            raise StreamError(
                "a footer of another section", expected=str(self._section_id), found=str(event.section_id)
            )
        written = bytes(event.raw) if isinstance(event, RamEvent) else event.to_bytes()
        if isinstance(event, SectionHeader):
            self._started.add(event.section_id)
            self._section_id = event.section_id
        self._state = following
        return written
