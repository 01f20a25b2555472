"""`ask`: a QMP command answered from a stream, and where each value of the answer came from.

A command is a function of an `Inquiry`, which finds the sections that have something to say, lets them answer key by
key, and notes what was read for each key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from vmstate.errors import PathError, QueryError, VMStateError
from vmstate.query.origin import earliest_release, target_endian
from vmstate.schema.contradiction import contradicts
from vmstate.stream.events import ConfigurationSection, Vmdescription
from vmstate.stream.lookup import find_section, last_of_each
from vmstate.stream.registry import all_descriptions, commands_of, questions_of
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Value
from vmstate.vmsd.description import TraceEntry, VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.path import value_at
from vmstate.vmsd.question import LEFT_OUT, Keys
from vmstate.vmsd.release import Release

if TYPE_CHECKING:
    from vmstate.stream.memory import GuestMemory

IDSTR_OFFSET = 6
"""Where the idstr stands in the header of a section: behind the mark, the section_id and its own length."""
NAME_OFFSET = 5
"""Where the machine type stands in the configuration: behind the mark and its own length."""
VMDESC_OFFSET = 5
"""Where the text stands in the vmdesc: the same."""


class QueryOrigin(Value):
    """What a value was made from: a part of a section, of the `configuration`, or the `vmdesc`.

    `path` is that of the state as the device library has it, or `idstr` for the name in the section's header. `offset`
    is absolute, in bytes; it is None, and `size` 0, where the value tells that the stream has nothing at that path.
    """

    section: str
    instance_id: int
    path: str
    offset: int | None
    size: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in type(self)._names}


class Answer:
    """An answer: `value` as QMP has it, and for each key the bytes it came from."""

    __slots__ = ("_notes", "value")

    def __init__(self, value: Any, notes: Mapping[str, Iterable[Note]]) -> None:
        self.value = value
        self._notes = notes

    def __repr__(self) -> str:
        return f"Answer({self.value!r})"

    @property
    def sources(self) -> dict[str, list[QueryOrigin]]:
        """The path of a key in the answer, such as `[0].main-mac` or `status` -> what its value was made from."""
        return {
            key: list(dict.fromkeys(source for note in notes for source in note.sources()))
            for key, notes in self._notes.items()
        }


class AskedSection:
    """A section that is asked, in the state in which it was loaded."""

    def __init__(self, section: Section) -> None:
        self.section = section

    @property
    def state(self) -> Any:
        """The state."""
        return self.section.state

    @cached_property
    def trace(self) -> Mapping[str, TraceEntry]:
        """Path -> (absolute offset, size, field) of all that the section has."""
        entries: Mapping[str, TraceEntry] = self.section.trace()
        return entries


class LibrarySection(AskedSection):
    """A section that is asked, in the state that the device library says it has, whatever described it when loaded."""

    @cached_property
    def decoded(self) -> tuple[Any, VMStateDescription, bytes]:
        """The state, the layout of the library that fits, and the bytes. Raises `QueryError`."""
        section = self.section
        payload = section.payload()
        fitting: tuple[Any, VMStateDescription, bytes] | None = None
        for vmsd in all_descriptions(section.name):
            with suppress(VMStateError):
                state = vmsd.decode(payload, version_id=section.version_id, facts=self._facts_told)
                if section.vmsd is None or not contradicts(section.vmsd, vmsd):
                    return state, vmsd, payload
                fitting = fitting or (state, vmsd, payload)
        if fitting is not None:
            return fitting
        raise QueryError(
            "no layout of the device library fits the section", section=section.name, offset=section.payload_offset
        )

    @property
    def _facts_told(self) -> dict[str, Any]:
        return {IDSTR.name: self.section.name}

    @property
    def state(self) -> Any:
        """The state."""
        return self.section.state if self.section.described_by == "library" else self.decoded[0]

    @cached_property
    def trace(self) -> Mapping[str, TraceEntry]:
        """Path -> (absolute offset, size, field) of all that the section has."""
        if self.section.described_by == "library":
            library_entries: Mapping[str, TraceEntry] = self.section.trace()
            return library_entries
        _, vmsd, payload = self.decoded
        entries = vmsd.trace(payload, version_id=self.section.version_id, facts=self._facts_told)
        shift = self.section.payload_offset
        return {path: entry._replace(offset=entry.offset + shift) for path, entry in entries.items()}


class Note(Protocol):
    """One read."""

    def sources(self) -> Iterable[QueryOrigin]:
        """What was read."""


class StateNote:
    """A value of a state was read, or `size` bytes of it from `start` on."""

    def __init__(self, subject: AskedSection, path: str, start: int = 0, size: int | None = None) -> None:
        self.subject = subject
        self.path = path
        self.start = start
        self.size = size

    def sources(self) -> Iterable[QueryOrigin]:
        """What was read."""
        section, trace = self.subject.section, self.subject.trace
        if self.path not in trace:
            yield QueryOrigin(section.name, section.instance_id, self.path, None, 0)
            return
        offset, size, _ = trace[self.path]
        if self.size is not None:
            offset, size = offset + self.start, self.size
        yield QueryOrigin(section.name, section.instance_id, self.path, offset, size)


class MemoryNote:
    """Guest memory was read."""

    def __init__(self, memory: GuestMemory, address: int, size: int) -> None:
        self.memory = memory
        self.address = address
        self.size = size

    def sources(self) -> Iterable[QueryOrigin]:
        """What was read."""
        offset, size = self.memory.source(self.address, self.size) or (None, 0)
        yield QueryOrigin("ram", 0, f"{self.address:#x}", offset, size)


class IdstrNote:
    """The idstr of a section was read."""

    def __init__(self, section: Section) -> None:
        self.section = section

    def sources(self) -> Iterable[QueryOrigin]:
        """What was read."""
        section = self.section
        size = len(section.name.encode("utf-8", "surrogateescape"))
        yield QueryOrigin(section.name, section.instance_id, "idstr", section.offset + IDSTR_OFFSET, size)


class HostNote:
    """What tells of the QEMU that saved was read: the machine type, and for its release the vmdesc."""

    def __init__(self, stream: Stream, *kinds: type) -> None:
        self.parts = [part for part in stream.parts if isinstance(part, kinds)]

    def sources(self) -> Iterable[QueryOrigin]:
        """What was read."""
        for part in self.parts:
            if isinstance(part, ConfigurationSection):
                yield QueryOrigin("configuration", 0, "name", part.offset + NAME_OFFSET, part.state.len)
            elif isinstance(part, Vmdescription):
                yield QueryOrigin("vmdesc", 0, "", part.offset + VMDESC_OFFSET, len(part.text))


class Reading:
    """An `Ask` of one section, for one key."""

    def __init__(self, inquiry: Inquiry, subject: AskedSection) -> None:
        self._inquiry = inquiry
        self._subject = subject
        self.notes: list[Note] = []

    def __call__(self, path: str) -> Any:
        """The value at a path; None where the stream has nothing there."""
        self.notes.append(StateNote(self._subject, path))
        return value_at(self._subject.state, path)

    def part(self, path: str, start: int, size: int) -> bytes:
        """Some of the bytes of the value at a path."""
        self.notes.append(StateNote(self._subject, path, start, size))
        return bytes(value_at(self._subject.state, path)[start : start + size])

    def memory(self, address: int, size: int) -> bytes | None:
        """Guest memory from a guest physical address on; None where the stream does not have it."""
        try:
            data = self._inquiry.memory.read(address, size)
        except VMStateError:
            return None
        self.notes.append(MemoryNote(self._inquiry.memory, address, size))
        return data

    @property
    def idstr(self) -> str:
        """The idstr, with the instance_id where another section has the same."""
        self.notes.append(IdstrNote(self._subject.section))
        return self._inquiry.name_of(self._subject.section)

    @property
    def argument(self) -> Mapping[str, Any]:
        """The arguments of the command."""
        return self._inquiry.arguments

    @property
    def target_endian(self) -> str | None:
        """The byte order of the target, "little" or "big"."""
        endian, section = target_endian(self._inquiry.stream)
        if section is None:
            self.notes.append(HostNote(self._inquiry.stream, ConfigurationSection))
        else:
            self.notes.append(IdstrNote(section))
        return endian

    @property
    def release(self) -> Release | None:
        """The release of QEMU that saved."""
        if self._inquiry.told_release is None:
            self.notes.append(HostNote(self._inquiry.stream, ConfigurationSection, Vmdescription))
        return self._inquiry.release


class Inquiry:
    """One command asked of one stream: its arguments, and what was read for each key so far."""

    def __init__(self, stream: Stream, command: str, arguments: Mapping[str, Any], release: Release | None) -> None:
        self.stream = stream
        self.command = command
        self.arguments = arguments
        self.told_release = release
        self.notes: dict[str, list[Note]] = {}

    @cached_property
    def release(self) -> Release | None:
        """The release of QEMU that saved: as told, else the earliest that can have."""
        return self.told_release or earliest_release(self.stream)

    @cached_property
    def memory(self) -> GuestMemory:
        """Guest memory, as far as the stream holds it."""
        return self.stream.memory()

    @cached_property
    def sections(self) -> list[Section]:
        """The sections that hold the state of a device; of what is sent in parts, none.

        Of one that comes again it is the last.
        """
        return last_of_each(section for section in self.stream.sections if section.kind == "full")

    def name_of(self, section: Section) -> str:
        """The idstr, with the instance_id where another section has the same."""
        alone = sum(namesake.name == section.name for namesake in self.sections) == 1
        return section.name if alone else f"{section.name}#{section.instance_id}"

    def able(self) -> list[AskedSection]:
        """The sections that have something to say to the command."""
        return [LibrarySection(section) for section in self.sections if self.command in commands_of(section.name)]

    def the_one(self, named: str | None, what: str) -> AskedSection:
        """The section that an argument names, or the only one there is. Raises `QueryError`."""
        able = self.able()
        names = ", ".join(self.name_of(subject.section) for subject in able)
        if named is None:
            if len(able) == 1:
                return able[0]
            raise QueryError(
                f"which {what} is meant is not said" if able else f"the stream has no {what}",
                expected=f"one of {names}" if able else None,
            )
        try:
            wanted = find_section([subject.section for subject in able], named)
        except PathError as error:
            choices = error.expected or (f"one of {names}" if able else "one that the stream has")
            try:
                named_section = find_section(self.sections, named)
            except PathError:
                raise QueryError(error.message, expected=choices) from None
            raise QueryError(f"{self.name_of(named_section)!r} is no {what}", expected=choices) from None
        return next(subject for subject in able if subject.section is wanted)

    def answer(self, subject: AskedSection, at: str = "", keys: Keys | None = None) -> dict[str, Any]:
        """What a section says, key by key; `at` is where in the whole answer that stands."""
        values: dict[str, Any] = {}
        for key, function in (questions_of(subject.section.name)[self.command] if keys is None else keys).items():
            reading = Reading(self, subject)
            value = function(reading)
            if value is not LEFT_OUT:
                values[key] = value
                self.notes[f"{at}.{key}" if at else key] = reading.notes
        return values

    def answers(self, subjects: Iterable[AskedSection]) -> list[dict[str, Any]]:
        """What several sections say."""
        return [self.answer(subject, f"[{place}]") for place, subject in enumerate(subjects)]


def ask(
    stream: Stream, command: str, arguments: Mapping[str, Any] | None = None, *, release: Release | None = None
) -> Answer:
    """Answer a QMP command from a stream.

    `arguments` are QMP's. `release` is the release of QEMU that saved, a `Release`, where it is known better than
    from machine type and vmdesc; it decides which feature bits have names. Raises `VMStateError`.
    """
    # The commands are made of what stands here.
    from vmstate.query.commands import COMMANDS, checked

    known = COMMANDS.get(command)
    if known is None:
        raise QueryError(f"there is no command {command!r}", expected=f"one of {', '.join(COMMANDS)}")
    if release is not None:
        Release.checked(release)
    inquiry = Inquiry(stream, command, checked(command, known, {} if arguments is None else arguments), release)
    return Answer(known.answer(inquiry), inquiry.notes)
