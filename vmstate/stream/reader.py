"""The sans-I/O reader of a migration stream: bytes go in, events come out.

    reader = StreamReader()
    reader.receive_data(data)            # any number of bytes; b"" says that no more will come
    event = reader.next_event()          # an event, NEED_DATA or DONE

The reader is a small machine; each state reads one thing and says what comes next:

    header ──► configuration? ──► part ─┬─► section header ──► device state ──► footer ─► part
                                        │                 └──► RAM event ... ──► footer ─► part
                                        ├─► command ─► part
                                        └─► end of stream ──► vmdesc? ──► trailing bytes ──► done

A device section's length is nowhere on the wire: it comes from decoding, and its footer proves it. The description
comes from the vmdesc the reader was given, or from the device library. A reader that has neither for a section waits
for the end of the data and takes the vmdesc that stands there; without one it looks for the section's footer, and
counts it only where a legal part of the stream follows. The events do not depend on how the bytes were cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from vmstate.codec.codec import Codec
from vmstate.errors import StreamError, TruncatedError, VMStateError
from vmstate.schema.vmdesc import (
    NOTHING_DESCRIBED,
    Vmdesc,
    has_array_of_structs,
    hides_something,
    read_vmdesc,
    says_null_for_all,
)
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import (
    DONE,
    FOOTER,
    KINDS,
    MAGIC,
    NEED_DATA,
    VERSION,
    VERSION_COMPAT,
    Command,
    CommandType,
    ConfigurationSection,
    DeviceState,
    EndOfStream,
    Event,
    Header,
    Mark,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
    _Done,
    _NeedData,
)
from vmstate.stream.ram import DEFAULT_PAGE_SIZE, RamScanner
from vmstate.stream.ram_records import RamEnd
from vmstate.stream.registry import all_descriptions, shipped_descriptions
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.types import Opaque

RAM = "ram"
RAM_VERSION = 4
# Sizes of the data of a postcopy-advise command: 16 with RAM postcopy, 0 for dirty bitmaps alone.
RAM_ADVISE = 16

_TRIM = 1 << 16
_OPAQUE_FIELD_LIMIT = 16
_ENDS_LIMIT = 64


Descriptions = Callable[[], tuple[VMStateDescription, ...]]


class StreamReader:
    """Reads one migration stream.

    `vmdesc`: the descriptions of this stream, or of another of the same machine and release, where they are known
    beforehand. `library`: whether the device library is asked. `facts`: what is known of the host that saved. `limit`:
    how many bytes may wait for what is needed to read them, the vmdesc for one; without it, as many as come.
    """

    def __init__(
        self,
        *,
        vmdesc: Vmdesc | None = None,
        library: bool = True,
        facts: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._whole: memoryview | None = None
        self._base = 0
        self._pos = 0
        self._closed = False
        self._needed = 0
        self._state: Callable[[memoryview], Event | _Done] = self._header
        self._library = library
        self._facts = facts or {}
        self._vmdesc: Vmdesc | None = None
        self._described: dict[tuple[str, int], deque[VMStateDescription | int | None]] = {}
        self._passed: list[tuple[str, int]] = []
        if vmdesc is not None:
            self._take_vmdesc(vmdesc)
        self._section: SectionHeader | None = None
        self._starts: dict[int, SectionHeader] = {}
        self._configuration: Configuration | None = None
        self._footers: bool | None = None
        self._postcopy = False
        self._ram: RamScanner | None = None
        self._fills = False

    @classmethod
    def over(
        cls,
        data: memoryview,
        *,
        vmdesc: Vmdesc | None = None,
        library: bool = True,
        facts: Mapping[str, Any] | None = None,
    ) -> StreamReader:
        """A reader of a stream that is all there; nothing of it is copied until it is decoded."""
        reader = cls(vmdesc=vmdesc, library=library, facts=facts)
        reader._whole = data
        reader._closed = True
        return reader

    @property
    def offset(self) -> int:
        """The absolute offset of what comes next."""
        return self._base + self._pos

    def unread(self) -> bytes:
        """A copy of the bytes that were received and that no event has told yet."""
        return bytes(self._whole[self._pos :] if self._whole is not None else self._buffer[self._pos :])

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes of the stream; no bytes at all say that no more will come."""
        if self._closed:
            if data:
                raise StreamError("data came after the end of the data")
            return
        if not data:
            self._closed = True
            return
        if self._pos >= _TRIM:
            del self._buffer[: self._pos]
            self._base += self._pos
            self._pos = 0
        if self._limit is not None and len(self._buffer) - self._pos + len(data) > self._limit:
            raise self._placed(
                StreamError(
                    "too many bytes wait to be read",
                    offset=self.offset,
                    expected=f"at most {self._limit}",
                    found="a section that nothing describes before the vmdesc comes, or one that is too long",
                )
            )
        self._buffer += data

    def next_event(self) -> Event | _NeedData | _Done:
        """The next event; NEED_DATA where bytes are missing; DONE at the end. Raises `VMStateError`."""
        if self._whole is not None:
            return self._step(self._whole)
        if not self._closed and self._base + len(self._buffer) < self._needed:
            return NEED_DATA
        with memoryview(self._buffer) as view, view.toreadonly() as data:
            event = self._step(data)
            raw = getattr(event, "raw", None)
            if isinstance(raw, memoryview):
                # The buffer goes on growing: what leaves it must be a copy.
                event = event.replace(raw=memoryview(bytes(raw)))  # type: ignore[union-attr]
                raw.release()
            return event

    def events(self) -> Iterator[Event]:
        """All events of a stream that is all there."""
        while not isinstance(event := self.next_event(), (_Done, _NeedData)):
            yield event

    def _step(self, data: memoryview) -> Event | _NeedData | _Done:
        try:
            return self._state(data)
        except TruncatedError as error:
            if self._closed:
                raise self._placed(error) from None
            self._needed = error.needed
            return NEED_DATA
        except VMStateError as error:
            raise self._placed(error) from None

    def _placed(self, error: VMStateError) -> VMStateError:
        return error.within(section=self._section.name if self._section is not None else None)

    # What is read, and the reading of it.

    def _need(self, data: memoryview, pos: int, size: int, what: str) -> None:
        if pos + size > len(data):
            raise TruncatedError(
                f"the stream ends inside {what}",
                needed=self._base + pos + size,
                offset=self._base + pos,
                expected=f"{size} bytes",
                found=f"{max(0, len(data) - pos)}",
            )

    def _number(self, data: memoryview, pos: int, size: int, what: str) -> int:
        self._need(data, pos, size, what)
        return int.from_bytes(data[pos : pos + size], "big")

    def _header(self, data: memoryview) -> Event:
        if len(data) >= 4 and bytes(data[:4]) != MAGIC:
            raise StreamError("not a migration stream", offset=0, expected=MAGIC.hex(), found=bytes(data[:4]).hex())
        version = self._number(data, 4, 4, "the header")
        if version == VERSION_COMPAT:
            raise StreamError("the stream format of version 2 is obsolete", offset=4, expected="3", found="2")
        if version != VERSION:
            raise StreamError("unknown stream format", offset=4, expected=str(VERSION), found=str(version))
        self._pos = 8
        self._state = self._first_part
        return Header(version, self._base)

    def _first_part(self, data: memoryview) -> Event | _Done:
        self._need(data, self._pos, 1, "the stream")
        if data[self._pos] != Mark.CONFIGURATION:
            self._state = self._part
            return self._part(data)
        start = self._pos
        try:
            state, end = _codec(Configuration.vmsd).decode_at(  # type: ignore[attr-defined]
                data, start + 1, final=self._closed, base=self._base
            )
        except VMStateError as error:
            raise error.within(section="configuration") from None
        self._pos = end
        self._configuration = state
        self._state = self._part
        return ConfigurationSection(state, self._base + start, end - start)

    def _part(self, data: memoryview) -> Event | _Done:
        pos = self._pos
        self._need(data, pos, 1, "the stream: there is no end of it")
        mark = data[pos]
        if mark in KINDS:
            return self._section_header(data, pos)
        if mark == Mark.COMMAND:
            return self._command(data, pos)
        if mark == Mark.EOF:
            self._pos = pos + 1
            self._state = self._after_end
            return EndOfStream(self._base + pos)
        raise StreamError(
            "no part of a stream begins so",
            offset=self._base + pos,
            expected="a section, a command or the end of the stream",
            found=f"{mark:#04x}",
        )

    def _command(self, data: memoryview, pos: int) -> Event:
        command = self._number(data, pos + 1, 2, "a command")
        length = self._number(data, pos + 3, 2, "a command")
        self._need(data, pos + 5, length, "a command")
        if command == CommandType.INVALID or command > max(CommandType):
            raise StreamError(
                "unknown command",
                offset=self._base + pos + 1,
                expected=f"1 to {max(CommandType):d}",
                found=str(command),
            )
        self._pos = pos + 5 + length
        if command == CommandType.POSTCOPY_ADVISE and length == RAM_ADVISE:
            self._postcopy = True
        return Command(command, bytes(data[pos + 5 : pos + 5 + length]), self._base + pos)

    def _section_header(self, data: memoryview, pos: int) -> Event:
        kind = KINDS[Mark(data[pos])]
        section_id = self._number(data, pos + 1, 4, "a section header")
        end = pos + 5
        if kind in ("start", "full"):
            length = self._number(data, end, 1, "a section header")
            self._need(data, end + 1, length + 8, "a section header")
            try:
                name = bytes(data[end + 1 : end + 1 + length]).decode()
            except UnicodeDecodeError:
                found = bytes(data[end + 1 : end + 1 + length])
                raise StreamError(
                    "the idstr of a section is not UTF-8", offset=self._base + end + 1, found=repr(found)
                ) from None
            end += 1 + length
            instance_id = int.from_bytes(data[end : end + 4], "big")
            version_id = int.from_bytes(data[end + 4 : end + 8], "big")
            end += 8
            header = SectionHeader(kind, section_id, name, instance_id, version_id, self._base + pos)
            self._starts[section_id] = header
        else:
            start = self._starts.get(section_id)
            if start is None:
                raise StreamError(
                    f"a section {kind} of an unknown section id",
                    offset=self._base + pos + 1,
                    expected="the id of a section that was started",
                    found=str(section_id),
                )
            header = start.replace(kind=kind, offset=self._base + pos)
        self._pos = end
        self._section = header
        if header.name == RAM and header.version_id == RAM_VERSION:
            self._ram = self._ram or self._new_scanner()
            self._state = self._ram_event
        else:
            self._state = self._device_state
        return header

    def _new_scanner(self) -> RamScanner:
        configuration = self._configuration
        told = self._vmdesc.page_size if self._vmdesc is not None else None
        if told is None and configuration is not None:
            told = configuration.page_size
        return RamScanner(
            told,
            fills=self._fills,
            ignore_shared=configuration is not None and configuration.has_capability("x-ignore-shared"),
            mapped_ram=configuration is not None and configuration.has_capability("mapped-ram"),
            postcopy=self._postcopy,
        )

    def _ram_event(self, data: memoryview) -> Event:
        assert self._ram is not None
        found = self._ram.next_event(data, self._pos, len(data), self._base)
        if found is None:
            if self._closed:
                raise self._ram.at_end(self._base + len(data))
            awaited = self._ram.awaited
            needed = self._base + len(data) + 1 if awaited is None else awaited.offset + awaited.size
            raise TruncatedError("RAM goes on", needed=needed)
        event, self._pos = found
        if isinstance(event, RamEnd):
            self._state = self._footer
        return event

    # Device sections.

    def _device_state(self, data: memoryview) -> Event:
        assert self._section is not None
        header = self._section
        candidates, old_size = self._candidates(header)
        failure: VMStateError | None = None
        for source, find in candidates:
            for vmsd in find():
                try:
                    state, end = self._decode(data, vmsd, header)
                except TruncatedError as error:
                    if not self._closed:
                        raise
                    failure = failure or error.with_traceback(None)
                except VMStateError as error:
                    # Without its frames, which hold all that was read.
                    failure = failure or error.with_traceback(None)
                else:
                    # A device that the library knows, and cannot open here, stays as opaque as the vmdesc has it.
                    opaque = source == "vmdesc" and hides_something(vmsd)
                    return self._decoded(header, state, vmsd, source, end, failure if opaque else None)
        if self._vmdesc is None:
            # Nothing that is known describes it: the vmdesc may, which stands at the very end.
            if not self._closed:
                raise TruncatedError("the section is not described yet", needed=1 << 62)
            self._find_vmdesc()
            return self._device_state(data)
        own = self._own_description(header)
        if failure is not None and own is not None and not says_null_for_all(own):
            raise failure
        # No layout that the library knows is known to be this release's: what fits none of them is as good as unknown.
        try:
            end = self._opaque_end(data, old_size)
        except StreamError as error:
            raise failure or error from None
        return self._decoded(header, bytes(data[self._pos : end]), None, "none", end, failure)

    def _own_description(self, header: SectionHeader) -> VMStateDescription | None:
        """What the vmdesc says of the section, if it describes it."""
        entries = self._described.get((header.name, header.instance_id))
        own = entries[0] if entries else None
        return own if isinstance(own, VMStateDescription) else None

    def _decoded(
        self,
        header: SectionHeader,
        state: Any,
        vmsd: VMStateDescription | None,
        source: str,
        end: int,
        problem: VMStateError | None = None,
    ) -> Event:
        event = DeviceState(
            state,
            vmsd,
            source,
            header.version_id,
            self.offset,
            end - self._pos,
            None if problem is None else str(problem),
        )
        self._pos = end
        self._state = self._footer
        if self._vmdesc is None:
            self._passed.append((header.name, header.instance_id))
        else:
            self._pass(header.name, header.instance_id)
        return event

    def _pass(self, name: str, instance_id: int) -> None:
        """Two sections can have the same idstr and instance_id: they match by order."""
        entries = self._described.get((name, instance_id))
        if entries and len(entries) > 1:
            entries.popleft()

    def _candidates(self, header: SectionHeader) -> tuple[list[tuple[str, Descriptions]], int | None]:
        """Where descriptions to try come from, in order, and the size of an old-style section.

        What vmdesc shows in full needs no library, but where an array can be one of pointers, which QEMU describes
        wrongly; what it shows opaque, or not at all, the library opens.
        """
        entries = self._described.get((header.name, header.instance_id))
        own = entries[0] if entries else None
        size = own if isinstance(own, int) else None
        if not isinstance(own, VMStateDescription):
            # An old-style section is known to have nothing that describes it, unless the library does.
            find = all_descriptions if size is None else shipped_descriptions
            return ([("library", partial(find, header.name))] if self._library else []), size
        vmdesc: tuple[str, Descriptions] = ("vmdesc", lambda: (own,))
        if not self._library:
            return [vmdesc], size
        if hides_something(own):
            return [("library", partial(all_descriptions, header.name)), vmdesc], size
        if not (says_null_for_all(own) or has_array_of_structs(own)):
            return [vmdesc], size
        return [vmdesc, ("library", partial(shipped_descriptions, header.name))], size

    def _take_vmdesc(self, vmdesc: Vmdesc) -> None:
        self._vmdesc = vmdesc
        for device in vmdesc.devices:
            entries = self._described.setdefault((device.name, device.instance_id), deque())
            entries.append(device.size if device.vmsd is None else device.vmsd)

    def _find_vmdesc(self) -> None:
        data = memoryview(self._buffer) if self._whole is None else self._whole
        found = find_vmdesc(data)
        self._take_vmdesc(read_vmdesc(found) if found is not None else NOTHING_DESCRIBED)
        if self._whole is None:
            data.release()
        for name, instance_id in self._passed:
            self._pass(name, instance_id)

    def _decode(self, data: memoryview, vmsd: VMStateDescription, header: SectionHeader) -> tuple[Any, int]:
        """Decode up to a footer, or to whatever else must follow."""
        codec = _codec(vmsd)

        def fits(end: int) -> bool:
            return self._ends(data, end, header.section_id)

        def fits_surely(end: int) -> bool:
            return fits(end) and not self._padded_end(data, end)

        def attempt(
            longer_opaque: tuple[int, int] | None = None, accept: Callable[[int], bool] = fits
        ) -> tuple[Any, int]:
            return codec.decode_at(
                data,
                self._pos,
                version_id=header.version_id,
                facts={**self._facts, IDSTR.name: header.name},
                accept=accept,
                final=self._closed,
                base=self._base,
                longer_opaque=longer_opaque,
            )

        try:
            state, end = attempt(accept=fits_surely)
        except VMStateError as error:
            if self._footers or (isinstance(error, TruncatedError) and not self._closed):
                raise
            state, end = attempt()
        if fits(end):
            return state, end
        wrong = self._wrong_footer(data, end, header.section_id)
        if not any(isinstance(field.type, Opaque) for part in vmsd.walk() for field in part.fields):
            raise wrong
        for other_end in self._footers_ahead(data, header.section_id):
            for number in range(_OPAQUE_FIELD_LIMIT):
                try:
                    state, reached = attempt((number, other_end - end))
                except VMStateError as error:
                    if isinstance(error, TruncatedError) and not self._closed:
                        raise
                    continue
                if reached == other_end:
                    return state, reached
        if not self._closed:
            raise TruncatedError("the footer of the section may be to come", needed=self._base + len(data) + 1)
        raise wrong

    def _ends(self, data: memoryview, end: int, section_id: int) -> bool:
        """Whether a section can end here: at its footer or, where there are none, at a legal part."""
        if self._footers is not False:
            if end >= len(data) and not self._closed:
                self._need(data, end, 1, "a section footer")
            if end < len(data) and data[end] == FOOTER:
                return self._number(data, end + 1, 4, "a section footer") == section_id
        if self._footers is True or not self._legal_part(data, end):
            return False
        # Before any section has shown that there are no footers, a zero byte must be more than that.
        return self._footers is False or not self._padded_end(data, end)

    def _padded_end(self, data: memoryview, end: int) -> bool:
        """Whether the stream would be over here with something behind it: as likely a zero byte of the state."""
        return data[end] == Mark.EOF and end + 1 < len(data) and data[end + 1] != Mark.VMDESCRIPTION

    def _legal_part(self, data: memoryview, pos: int) -> bool:
        """Whether a section, a command or the end of the stream can begin here."""
        if not self._there(data, pos, 1):
            return False
        mark = data[pos]
        if mark == Mark.EOF:
            return not self._there(data, pos + 1, 1) or self._legal_end(data, pos + 1)
        if mark in (Mark.SECTION_PART, Mark.SECTION_END):
            if not self._there(data, pos, 5):
                return False
            begun = self._starts.get(int.from_bytes(data[pos + 1 : pos + 5], "big"))
            return begun is not None and begun.kind == "start"
        if mark == Mark.COMMAND:
            return self._there(data, pos, 5) and 0 < int.from_bytes(data[pos + 1 : pos + 3], "big") <= max(CommandType)
        if mark not in (Mark.SECTION_START, Mark.SECTION_FULL) or not self._there(data, pos, 6):
            return False
        length = data[pos + 5]
        if length == 0 or not self._there(data, pos, 14 + length):
            return False
        name = bytes(data[pos + 6 : pos + 6 + length])
        return name.isascii() and name.decode().isprintable()

    def _legal_end(self, data: memoryview, pos: int) -> bool:
        if data[pos] != Mark.VMDESCRIPTION:
            return True
        if not self._there(data, pos, 5):
            return False
        return self._there(data, pos + 5, int.from_bytes(data[pos + 1 : pos + 5], "big"))

    def _there(self, data: memoryview, pos: int, size: int) -> bool:
        """Whether so many bytes are there; where more can come, they are waited for."""
        if not self._closed:
            self._need(data, pos, size, "the stream")
        return pos + size <= len(data)

    def _footers_ahead(self, data: memoryview, section_id: int) -> Iterator[int]:
        """Where a footer of the section stands that is followed by a legal part of the stream."""
        footer = bytes((FOOTER,)) + section_id.to_bytes(4, "big")
        pos = self._pos
        for _ in range(_ENDS_LIMIT):
            pos = _find(data, footer, pos)
            if pos < 0:
                return
            if self._legal_part(data, pos + len(footer)):
                yield pos
            pos += 1

    def _opaque_end(self, data: memoryview, old_size: int | None) -> int:
        """Where a section ends that nothing describes."""
        assert self._section is not None
        section_id = self._section.section_id
        if old_size is not None:
            end = self._pos + old_size
            if self._there(data, self._pos, old_size) and self._ends(data, end, section_id):
                return end
        ahead = self._starts_ahead(data) if self._footers is False else self._footers_ahead(data, section_id)
        for end in ahead:
            return end
        if not self._closed:
            raise TruncatedError("the end of the section may be to come", needed=self._base + len(data) + 1)
        raise StreamError(
            "nothing describes this section, and its end is not found",
            offset=self.offset,
            expected="the start of another section"
            if self._footers is False
            else f"a footer with section id {section_id}",
        )

    def _starts_ahead(self, data: memoryview) -> Iterator[int]:
        """Where, in a stream without footers, another section seems to start, or the stream to end."""
        pos = self._pos
        mark = bytes((Mark.SECTION_FULL, 0, 0))
        while (pos := _find(data, mark, pos)) >= 0:
            if self._legal_part(data, pos) and self._unseen(data, pos):
                yield pos
            pos += 1
        if self._closed and data[-1] == Mark.EOF:
            yield len(data) - 1

    def _unseen(self, data: memoryview, pos: int) -> bool:
        """Whether the section header at `pos` is of a section that has not been, and its version a likely one."""
        version = pos + 10 + data[pos + 5]
        return int.from_bytes(data[pos + 1 : pos + 5], "big") not in self._starts and not any(
            data[version : version + 3]
        )

    def _wrong_footer(self, data: memoryview, end: int, section_id: int) -> StreamError:
        expected = f"a footer, 7e{section_id:08x}"
        found = bytes(data[end : end + 5]).hex() or "the end of the data"
        return StreamError(
            "the section does not end where its state ends", offset=self._base + end, expected=expected, found=found
        )

    def _footer(self, data: memoryview) -> Event | _Done:
        assert self._section is not None
        section_id = self._section.section_id
        pos = self._pos
        if pos < len(data) and data[pos] == FOOTER:
            found = self._number(data, pos + 1, 4, "a section footer")
            if found != section_id:
                raise StreamError(
                    "the footer is of another section",
                    offset=self._base + pos,
                    expected=f"section id {section_id}",
                    found=str(found),
                )
            self._footers = True
            self._pos = pos + 5
            event = SectionFooter(section_id, self._base + pos)
        else:
            self._need(data, pos, 1, "the stream: a section footer or what follows a section is missing")
            if not self._ends(data, pos, section_id):
                raise self._wrong_footer(data, pos, section_id)
            self._footers = False
            event = SectionFooter(None, self._base + pos)
        self._section = None
        self._state = self._part
        return event

    # Behind the end.

    def _after_end(self, data: memoryview) -> Event | _Done:
        pos = self._pos
        if not self._there(data, pos, 1) or data[pos] != Mark.VMDESCRIPTION:
            return self._trailing(data)
        length = self._number(data, pos + 1, 4, "the vmdesc")
        self._need(data, pos + 5, length, "the vmdesc")
        self._pos = pos + 5 + length
        self._state = self._trailing
        return Vmdescription(bytes(data[pos + 5 : pos + 5 + length]), self._base + pos)

    def _trailing(self, data: memoryview) -> Event | _Done:
        self._state = self._trailing
        if not self._closed:
            raise TruncatedError("the stream is over", needed=1 << 62)
        pos = self._pos
        if pos >= len(data):
            return DONE
        self._pos = len(data)
        return Trailing(data[pos:], self._base + pos)


def page_size_of(configuration: Configuration | None) -> int:
    """The target's page size in bytes: said where it is not the smallest that the target can have."""
    return (configuration.page_size if configuration is not None else None) or DEFAULT_PAGE_SIZE


def _codec(vmsd: VMStateDescription) -> Codec:
    codec = vmsd.codec
    assert isinstance(codec, Codec)
    return codec


def _find(data: memoryview, pattern: bytes, start: int) -> int:
    """The position of a pattern from `start` on, or -1; looked for piece by piece, so that nothing large is copied."""
    step = 1 << 12
    while start < len(data):
        place = bytes(data[start : start + step + len(pattern) - 1]).find(pattern)
        if place >= 0:
            return start + place
        start += step
        step = min(2 * step, 1 << 20)
    return -1


def find_vmdesc(data: memoryview) -> bytes | None:
    """The vmdesc at the end of a stream that is all there, or None.

    It stands behind the end of the stream (0x00): 0x06, be32 length, JSON. It is looked for from the end, where it is
    in any stream without trailing bytes.
    """
    stop = len(data)
    step = 1 << 17
    while stop > 0:
        start = max(0, stop - step)
        window = bytes(data[start : min(stop + 8, len(data))])
        place = len(window)
        while (place := window.rfind(b"\x00\x06", 0, place)) >= 0:
            at = start + place
            length = int.from_bytes(data[at + 2 : at + 6], "big")
            if 2 <= length <= len(data) - at - 6 and data[at + 6] == 0x7B and data[at + 5 + length] == 0x7D:
                return bytes(data[at + 6 : at + 6 + length])
            place += 1
        stop = start
    return None
