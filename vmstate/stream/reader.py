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

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from vmstate.codec.codec import Codec
from vmstate.codec.runtime import Allowance
from vmstate.errors import StreamError, TruncatedError, VMStateError
from vmstate.schema.vmdesc import (
    NOTHING_DESCRIBED,
    Vmdesc,
    hides_something,
    read_vmdesc,
    says_null_for_all,
)
from vmstate.stream.candidates import Candidates
from vmstate.stream.configuration import Configuration
from vmstate.stream.ends import Ends, find_vmdesc, need, number
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
    Done,
    EndOfStream,
    Event,
    Header,
    Mark,
    NeedData,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
)
from vmstate.stream.ram import ALL_AT_ONCE, DEFAULT_PAGE_SIZE, MAX_PIECE, Block, RamScanner
from vmstate.stream.ram_records import RamEnd
from vmstate.stream.registry import raise_fault
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.types import Opaque

RAM = "ram"
RAM_VERSION = 4
# Sizes of the data of a postcopy-advise command: 16 with RAM postcopy, 0 for dirty bitmaps alone.
RAM_ADVISE = 16

TRAILING = 64 << 20
"""Bytes behind the end at most of a stream that comes piece by piece; of one that is all there they are a view."""

LONGEST_SECTION = 288 << 20
"""Bytes of the state of a device at most: virtio-gpu sends up to 256 MiB of pictures."""

_TRIM = 1 << 16
_IDS = struct.Struct(">II")
"""The instance_id and the version_id of a section header."""
_OPAQUE_FIELD_LIMIT = 16


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
        self._state: Callable[[memoryview], Event | Done] = self._header
        self._facts = facts or {}
        self._candidates = Candidates(vmdesc, library)
        self._section: SectionHeader | None = None
        self._starts: dict[int, SectionHeader] = {}
        self._configuration: Configuration | None = None
        self._footers: bool | None = None
        self._postcopy = False
        self._ram: RamScanner | None = None
        self._origin = 0
        self._fills = False
        self._local: dict[bytes, Block] | None = None
        self._allowance = Allowance()
        self._is_cut = False

    @classmethod
    def over(
        cls,
        data: memoryview,
        *,
        vmdesc: Vmdesc | None = None,
        library: bool = True,
        facts: Mapping[str, Any] | None = None,
        origin: int = 0,
    ) -> StreamReader:
        """A reader of a stream that is all there; nothing of it is copied until it is decoded.

        `origin`: where in its file it begins, which is where the file positions of mapped-ram count from 0.
        """
        reader = cls(vmdesc=vmdesc, library=library, facts=facts)
        reader._read_whole(data, origin)
        return reader

    def _read_whole(self, data: memoryview, origin: int) -> None:
        self._origin = origin
        self._whole = data
        self._closed = True

    @property
    def offset(self) -> int:
        """The absolute offset of what comes next."""
        return self._base + self._pos

    @property
    def is_cut(self) -> bool:
        """Whether the error that came last is that the data ends before what it began is whole."""
        return self._is_cut

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

    def next_event(self) -> Event | NeedData | Done:
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
        step = self.next_event if self._whole is None else partial(self._step, self._whole)
        while (event := step()) is not DONE and event is not NEED_DATA:
            yield event

    def _step(self, data: memoryview) -> Event | NeedData | Done:
        try:
            return self._state(data)
        except TruncatedError as error:
            if self._closed:
                # Of a section's state the end of the data alone does not say it.
                self._is_cut = self._is_cut or self._state != self._device_state
                raise self._placed(error) from None
            self._needed = error.needed
            return NEED_DATA
        except VMStateError as error:
            raise self._placed(error) from None

    def _placed(self, error: VMStateError) -> VMStateError:
        return error.within(section=self._section.name if self._section is not None else None)

    # What is read, and the reading of it.

    def _header(self, data: memoryview) -> Event:
        if len(data) >= 4 and bytes(data[:4]) != MAGIC:
            from vmstate.stream.no_stream import not_a_stream

            raise not_a_stream(bytes(data[:4]))
        version = number(data, self._base, 4, 4, "the header")
        if version == VERSION_COMPAT:
            raise StreamError("the stream format of version 2 is obsolete", offset=4, expected="3", found="2")
        if version != VERSION:
            raise StreamError("unknown stream format", offset=4, expected=str(VERSION), found=str(version))
        self._pos = 8
        self._state = self._first_part
        return Header(version, self._base)

    def _first_part(self, data: memoryview) -> Event | Done:
        need(data, self._base, self._pos, 1, "the stream")
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

    def _part(self, data: memoryview) -> Event | Done:
        pos = self._pos
        need(data, self._base, pos, 1, "the stream: there is no end of it")
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
        command = number(data, self._base, pos + 1, 2, "a command")
        length = number(data, self._base, pos + 3, 2, "a command")
        need(data, self._base, pos + 5, length, "a command")
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
        kind = KINDS[data[pos]]
        section_id = number(data, self._base, pos + 1, 4, "a section header")
        end = pos + 5
        if kind in ("start", "full"):
            need(data, self._base, end, 1, "a section header")
            length = data[end]
            need(data, self._base, end + 1, length + 8, "a section header")
            raw_name = bytes(data[end + 1 : end + 1 + length])
            try:
                name = raw_name.decode()
            except UnicodeDecodeError:
                raise StreamError(
                    "the idstr of a section is not UTF-8", offset=self._base + end + 1, found=repr(raw_name)
                ) from None
            instance_id, version_id = _IDS.unpack_from(data, end + 1 + length)
            end += 9 + length
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
        vmdesc = self._candidates.vmdesc
        page_size = vmdesc.page_size if vmdesc is not None else None
        if page_size is None and configuration is not None:
            page_size = configuration.page_size
        return RamScanner(
            page_size,
            fills=self._fills,
            local=self._local,
            ignore_shared=configuration is not None and configuration.has_capability("x-ignore-shared"),
            mapped_ram=configuration is not None and configuration.has_capability("mapped-ram"),
            postcopy=self._postcopy,
            origin=self._origin,
            # What is all there is not copied, whatever its size.
            piece=MAX_PIECE if self._whole is None else ALL_AT_ONCE,
        )

    def _ram_event(self, data: memoryview) -> Event:
        assert self._ram is not None
        event_and_end = self._ram.next_event(data, self._pos, len(data), self._base)
        if event_and_end is None:
            if self._closed:
                self._is_cut = True
                raise self._ram.at_end(self._base + len(data))
            awaited = self._ram.awaited
            needed = self._base + len(data) + 1 if awaited is None else awaited.offset + awaited.size
            raise TruncatedError("RAM goes on", needed=needed)
        event, self._pos = event_and_end
        if isinstance(event, RamEnd):
            self._state = self._footer
        return event

    # Device sections.

    def _device_state(self, data: memoryview) -> Event:
        assert self._section is not None
        header = self._section
        candidates, old_size = self._candidates.of(header)
        failure: VMStateError | None = None
        is_short = False
        for source, find in candidates:
            if source == "library" and self._allowance.again < 0:
                continue
            for vmsd in find():
                try:
                    state, end = self._decode(data, vmsd, header)
                except TruncatedError as error:
                    if not self._closed:
                        raise
                    is_short = True
                    failure = failure or error.with_traceback(None)
                except VMStateError as error:
                    # Without its frames, which hold all that was read.
                    failure = failure or error.with_traceback(None)
                except BaseException as error:
                    if source != "library":
                        raise
                    raise_fault(header.name, error)
                else:
                    if is_short and self._ends(data, header).is_padded_end(end):
                        # Likelier that the data ends inside the section than that a zero byte of it ends the stream.
                        continue
                    # A device that the library knows, and cannot open here, stays as opaque as the vmdesc has it.
                    opaque = source == "vmdesc" and hides_something(vmsd)
                    return self._decoded(header, state, vmsd, source, end, failure if opaque else None)
        if self._candidates.vmdesc is None:
            # Nothing that is known describes it: the vmdesc may, which stands at the very end.
            if not self._closed:
                raise TruncatedError("the section is not described yet", needed=1 << 62)
            self._find_vmdesc()
            return self._device_state(data)
        described = self._candidates.own_description(header)
        if failure is not None and described is not None and not says_null_for_all(described):
            raise failure
        # No layout that the library knows is known to be this release's: what fits none of them is as good as unknown.
        try:
            end = self._ends(data, header).opaque_end(old_size, may_be_last=not is_short)
        except StreamError as error:
            self._is_cut = True
            raise failure or error from None
        return self._decoded(header, bytes(data[self._pos : end]), None, "none", end, failure)

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
        self._candidates.passed(header)
        return event

    def _find_vmdesc(self) -> None:
        data = memoryview(self._buffer) if self._whole is None else self._whole
        text = find_vmdesc(data)
        self._candidates.take_vmdesc(NOTHING_DESCRIBED if text is None else read_vmdesc(text))
        if self._whole is None:
            data.release()

    def _ends(self, data: memoryview, header: SectionHeader) -> Ends:
        """Where the section can end whose state is next."""
        return Ends(
            data,
            self._base,
            self._closed,
            self._footers,
            self._starts,
            section_id=header.section_id,
            begin=self._pos,
        )

    def _decode(self, data: memoryview, vmsd: VMStateDescription, header: SectionHeader) -> tuple[Any, int]:
        """Decode up to a footer, or to whatever else must follow."""
        codec = _codec(vmsd)
        ends = self._ends(data, header)
        is_long = self._closed and len(data) - self._pos > LONGEST_SECTION
        if is_long:
            data = data[: self._pos + LONGEST_SECTION]

        broken_off: list[int] = []

        def fits_surely(end: int) -> bool:
            if self._closed and ends.breaks_off(end):
                broken_off.append(end)
            return ends.is_end(end) and not ends.is_padded_end(end)

        def attempt(
            longer_opaque: tuple[int, int] | None = None, accept: Callable[[int], bool] = ends.is_end
        ) -> tuple[Any, int]:
            return codec.decode_at(
                data,
                self._pos,
                version_id=header.version_id,
                facts={**self._facts, IDSTR.name: header.name},
                accept=accept,
                is_proof=self._footers is True,
                final=self._closed,
                base=self._base,
                longer_opaque=longer_opaque,
                allowance=self._allowance,
            )

        try:
            state, end = attempt(accept=fits_surely)
        except VMStateError as error:
            if is_long and isinstance(error, TruncatedError):
                raise StreamError("too long", expected=f"at most {LONGEST_SECTION} bytes") from None
            # Where it would fit if there were more, it is likelier cut off than ended by a zero byte of its own.
            if self._footers or isinstance(error, TruncatedError):
                raise
            if broken_off:
                raise ends.wrong_footer(broken_off[0]) from None
            state, end = attempt()
        if ends.is_end(end):
            return state, end
        wrong = ends.wrong_footer(end)
        if not any(isinstance(field.type, Opaque) for part in vmsd.walk() for field in part.fields):
            raise wrong
        for footer in ends.footers_ahead():
            for index in range(_OPAQUE_FIELD_LIMIT):
                try:
                    state, reached = attempt((index, footer - end))
                except VMStateError as error:
                    if isinstance(error, TruncatedError) and not self._closed:
                        raise
                    continue
                if reached == footer:
                    return state, reached
        if not self._closed:
            raise TruncatedError("the footer of the section may be to come", needed=self._base + len(data) + 1)
        raise wrong

    def _footer(self, data: memoryview) -> Event | Done:
        assert self._section is not None
        section_id = self._section.section_id
        pos = self._pos
        if pos < len(data) and data[pos] == FOOTER:
            other_id = number(data, self._base, pos + 1, 4, "a section footer")
            if other_id != section_id:
                raise StreamError(
                    "the footer is of another section",
                    offset=self._base + pos,
                    expected=f"section id {section_id}",
                    found=str(other_id),
                )
            self._footers = True
            self._pos = pos + 5
            event = SectionFooter(section_id, self._base + pos)
        else:
            need(data, self._base, pos, 1, "the stream: a section footer or what follows a section is missing")
            ends = self._ends(data, self._section)
            if not ends.is_end(pos):
                raise ends.wrong_footer(pos)
            self._footers = False
            event = SectionFooter(None, self._base + pos)
        self._section = None
        self._state = self._part
        return event

    # Behind the end.

    def _after_end(self, data: memoryview) -> Event | Done:
        pos = self._pos
        if not self._closed:
            need(data, self._base, pos, 1, "the stream")
        if pos >= len(data) or data[pos] != Mark.VMDESCRIPTION:
            return self._trailing(data)
        length = number(data, self._base, pos + 1, 4, "the vmdesc")
        need(data, self._base, pos + 5, length, "the vmdesc")
        self._pos = pos + 5 + length
        self._state = self._trailing
        return Vmdescription(bytes(data[pos + 5 : pos + 5 + length]), self._base + pos)

    def _trailing(self, data: memoryview) -> Event | Done:
        self._state = self._trailing
        if not self._closed:
            raise TruncatedError("the stream is over", needed=1 << 62)
        pos = self._pos
        if pos >= len(data):
            return DONE
        if self._whole is None and len(data) - pos > TRAILING:
            raise StreamError(
                "too many bytes stand behind the end of the stream",
                offset=self._base + pos,
                expected=f"at most {TRAILING}",
                found=str(len(data) - pos),
            )
        self._pos = len(data)
        return Trailing(data[pos:], self._base + pos)


def page_size_of(configuration: Configuration | None) -> int:
    """The target's page size in bytes: said where it is not the smallest that the target can have."""
    return (configuration.page_size if configuration is not None else None) or DEFAULT_PAGE_SIZE


def _codec(vmsd: VMStateDescription) -> Codec:
    codec = vmsd.codec
    assert isinstance(codec, Codec)
    return codec
