"""`Stream`: a whole migration stream in hand.

    stream = vmstate.load("guest.mig.xz")
    stream["0000:00:02.0/virtio-net"].state
    stream.to_bytes()                      # == the bytes that were loaded, until something is changed

A stream is the list of its parts in their order. Device sections are decoded; RAM stays where it is, as spans of the
input.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn

from vmstate.errors import PathError, StreamError, VMStateError
from vmstate.files import write_atomic
from vmstate.schema.vmdesc import NOTHING_DESCRIBED, Dialect, Vmdesc, read_vmdesc
from vmstate.stream.configuration import Configuration
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import (
    MAGIC,
    Command,
    CommandType,
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
from vmstate.stream.ram_records import (
    CONTINUE,
    FLAG_OF_KIND,
    HOOK,
    MULTIFD_FLUSH,
    RamBlock,
    RamEvent,
    RamHook,
    RamMultifdFlush,
    RamPages,
    RamSize,
)
from vmstate.stream.reader import StreamReader
from vmstate.vmsd.collector import collector_paused
from vmstate.vmsd.description import TraceEntry, VMStateDescription

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from vmstate.schema.write import Pairs
    from vmstate.stream.memory import GuestMemory
    from vmstate.stream.memory_index import PageIndex
    from vmstate.stream.memory_map import MemoryRange
    from vmstate.stream.memory_pages import NotedRun
    from vmstate.stream.source import StreamSource
    from vmstate.vmsd.path import Steps

    S = TypeVar("S", default=Any)
else:
    from typing import TypeVar

    S = TypeVar("S")

T = TypeVar("T")

_RELEASE = 16 << 20
_COPY = 1 << 20


class Section(Generic[S]):
    """A section: its header, its state, its footer. `Section[VirtIONet]` is one whose state is of that class.

    `Stream.section` gives that; of `stream[name]` and `stream.sections` the state is `Any` to type checkers.
    `offset` is the absolute offset of its first byte; `size` is that of header, state and footer together, as read.
    `described_by` is "library", "vmdesc" or "none"; without a description `state` is bytes, and `problem`
    says why a description that the library has was of no use. The state of RAM is a
    `RamSummary`.
    """

    __slots__ = ("described_by", "footer", "header", "payload_offset", "problem", "size", "state", "vmsd")

    def __init__(
        self,
        header: SectionHeader,
        state: S,
        vmsd: VMStateDescription[S] | None,
        described_by: str,
        footer: SectionFooter,
        payload_offset: int,
        size: int,
        problem: str | None = None,
    ) -> None:
        self.header = header
        self.state = state
        self.vmsd = vmsd
        self.described_by = described_by
        self.footer = footer
        self.payload_offset = payload_offset
        self.problem = problem
        self.size = size

    def __repr__(self) -> str:
        return f"<Section {self.name!r} #{self.instance_id} {self.kind} version {self.version_id} at {self.offset:#x}>"

    @property
    def name(self) -> str:
        """The idstr."""
        return self.header.name

    @property
    def instance_id(self) -> int:
        """The instance_id."""
        return self.header.instance_id

    @property
    def section_id(self) -> int:
        """The section_id."""
        return self.header.section_id

    @property
    def kind(self) -> str:
        """ "start", "part", "end" or "full"."""
        return self.header.kind

    @property
    def version_id(self) -> int:
        """The version_id."""
        return self.header.version_id

    @property
    def offset(self) -> int:
        """The absolute offset of the first byte of the header."""
        return self.header.offset

    @property
    def is_ram(self) -> bool:
        """Whether it holds RAM, of which a summary is kept."""
        return isinstance(self.state, RamSummary)

    def payload(self) -> bytes:
        """The bytes between header and footer, from the state. Not for RAM.

        A stream may hold what QEMU would refuse: that is for `vmstate.check` to say.
        """
        return b"".join(self.pieces())

    def pieces(self) -> list[bytes]:
        """The same in pieces."""
        from vmstate.codec.pieces import pieces_of

        if self.vmsd is None:
            opaque: Any = self.state
            return [bytes(opaque)]
        try:
            return pieces_of(self.vmsd, self.state, self.version_id, self.size)
        except VMStateError as error:
            raise error.within(section=self.name) from None
        except BaseException as error:
            self._raise_fault(error)

    def _raise_fault(self, error: BaseException) -> NoReturn:
        """Raise an error that is none of ours as that of the library that describes the section."""
        if self.described_by != "library":
            raise error
        from vmstate.stream.registry import raise_fault

        raise_fault(self.name, error)

    def as_dict(self) -> dict[str, Any]:
        """What the section is and where it stands, as JSON values; offset and size in bytes. Its state is not there."""
        return {
            "name": self.name,
            "instance_id": self.instance_id,
            "section_id": self.section_id,
            "kind": self.kind,
            "version_id": self.version_id,
            "offset": self.offset,
            "size": self.size,
            "described_by": self.described_by,
        }

    def describe(self, dialect: Dialect) -> Pairs:
        """What the vmdesc of a stream says of the section, as (key, value) pairs."""
        from vmstate.schema.write import describe_device, describe_old_style
        from vmstate.stream.registry import is_old_style

        # Of what QEMU registers without a description its vmdesc has the size alone, whoever describes it here.
        if self.vmsd is None or is_old_style(self.name):
            size = self.state.size if isinstance(self.state, RamSummary) else len(self.payload())
            return describe_old_style(self.name, self.instance_id, size)
        return describe_device(self.name, self.instance_id, self.vmsd, self.state, dialect, self.version_id)

    def trace(self) -> Mapping[str, TraceEntry]:
        """Path -> (offset in the stream, size in bytes, field) of everything in the state as it is now.

        Nothing for RAM and for what nothing describes. Raises `EncodeError` for a state that cannot be written.
        """
        if self.vmsd is None:
            return {}
        shift = self.payload_offset
        with collector_paused():
            try:
                entries = self.vmsd.codec.trace_state(self.state, version_id=self.version_id)
            except VMStateError as error:
                raise error.within(section=self.name) from None
            except BaseException as error:
                self._raise_fault(error)
            return {path: TraceEntry(offset + shift, size, field) for path, (offset, size, field) in entries.items()}


class RamSummary:
    """What RAM a section holds, without the RAM: blocks, where it says them, and how many pages of each kind.

    `total` is the sum of all blocks in bytes. `firsts` has the first record of each kind: its absolute offset, and the
    flags in its header. The RAM itself is `size` bytes of the input from `offset` on, or `raw` where it is not in the
    input.
    """

    __slots__ = ("blocks", "firsts", "offset", "pages", "raw", "size", "total")

    def __init__(self, offset: int = 0, size: int = 0, raw: bytes | None = None) -> None:
        self.total: int | None = None
        self.blocks: list[RamBlock] = []
        self.pages: dict[str, int] = {}
        self.firsts: dict[str, tuple[int, int]] = {}
        self.offset = offset
        self.size = size
        self.raw = raw

    def __repr__(self) -> str:
        return f"<RamSummary {self.total} bytes in {len(self.blocks)} blocks, pages {self.pages}>"

    def include(self, part: RamSummary) -> None:
        """Count in what a further section holds."""
        self.total = part.total if self.total is None else self.total
        self.blocks += part.blocks
        self.size += part.size
        self.firsts = {**part.firsts, **self.firsts}
        for kind, count in part.pages.items():
            self.pages[kind] = self.pages.get(kind, 0) + count

    def add(self, event: RamEvent) -> None:
        """Count one event in."""
        if isinstance(event, RamPages):
            if event.kind not in self.pages:
                self.firsts[event.kind] = event.offset, FLAG_OF_KIND[event.kind] | event.raw[7] & CONTINUE
            self.pages[event.kind] = self.pages.get(event.kind, 0) + event.count
        elif isinstance(event, (RamHook, RamMultifdFlush)):
            kind, flag = ("hook", HOOK) if isinstance(event, RamHook) else ("multifd flush", MULTIFD_FLUSH)
            self.firsts.setdefault(kind, (event.offset, flag))
        elif isinstance(event, RamSize):
            self.total = event.total
        elif isinstance(event, RamBlock):
            # The window on the input that it was read from must not keep the input alive.
            self.blocks.append(event.replace(raw=memoryview(bytes(event.raw))))
        self.size += len(event.raw)


Part = Header | ConfigurationSection | Section | Command | EndOfStream | Vmdescription | Trailing


class Stream:
    """A migration stream: its parts, and the bytes that RAM is still in."""

    def __init__(
        self,
        parts: Iterable[Part],
        source: StreamSource | None = None,
        name: str | None = None,
        events: Callable[[], Iterator[Event]] | None = None,
    ) -> None:
        self.parts = list(parts)
        self.name = name
        self._source = source
        self.channels: Sequence[Any] = ()
        # Where pages stand, where that was noted as the stream was read, or in an index.
        self.noted: Sequence[NotedRun] | PageIndex | None = None
        # The events of the source once more, for what is not kept of them.
        self._events = events
        # Where its bytes end before it does: why, and how many bytes the parts that are whole have.
        self.cut: VMStateError | None = None
        self.whole: int | None = None

    @property
    def version(self) -> int:
        """The version of the stream format."""
        return next(part.version for part in self.parts if isinstance(part, Header))

    @property
    def source(self) -> memoryview | None:
        """The bytes that it was loaded from; None where it was made otherwise, or is closed."""
        return None if self._source is None else self._source.data

    @property
    def input(self) -> StreamSource | None:
        """What it was loaded from; None where it was made otherwise, or is closed."""
        return self._source

    @property
    def container(self) -> Any:
        """What it was taken out of (`vmstate.saved.containers`); None for a file that is nothing but the stream."""
        return None if self._source is None else self._source.container

    @property
    def configuration(self) -> Configuration | None:
        """The configuration section, if there is one."""
        return next((part.state for part in self.parts if isinstance(part, ConfigurationSection)), None)

    @property
    def sections(self) -> list[Section]:
        """The sections, in the order of the stream."""
        return [part for part in self.parts if isinstance(part, Section)]

    @property
    def vmdesc_text(self) -> bytes | None:
        """The JSON text of the vmdesc, if the stream has one."""
        return next((part.text for part in self.parts if isinstance(part, Vmdescription)), None)

    @property
    def vmdesc(self) -> Vmdesc | None:
        """The descriptions that the stream itself carries."""
        text = self.vmdesc_text
        return None if text is None else read_vmdesc(text)

    @property
    def ram(self) -> RamSummary:
        """The blocks, and the pages of all RAM sections together."""
        whole = RamSummary()
        for section in self.sections:
            if isinstance(section.state, RamSummary):
                whole.include(section.state)
        return whole

    def memory(
        self,
        *,
        files: Mapping[str, str | os.PathLike[str]] | None = None,
        ranges: Sequence[MemoryRange] | None = None,
        placed: Mapping[str, int] | None = None,
    ) -> GuestMemory:
        """Guest memory, as far as the stream holds it, by guest physical address.

        `files` has, by block, files with the memory that a stream leaves out (x-ignore-shared). `ranges` says where the
        machine has its memory, where the stream and the machine type do not; `placed` at which address blocks stand
        that were plugged in, by name. The input must still be there when it is read.
        """
        from vmstate.stream.memory import memory_of

        return memory_of(self, self._events, files or {}, ranges, placed or {})

    @property
    def machine(self) -> str | None:
        """The machine type in the configuration section, if there is one."""
        configuration = self.configuration
        return None if configuration is None else configuration.machine

    def section(self, name: str, state_class: type[T]) -> Section[T]:
        """What `stream[name]` is, where its state is of a class of the device library; `Section[T]` to type checkers.

        Raises `PathError` where the state is of another class: a section that the stream's own vmdesc shows in full is
        described by that, and its state is a `State`.
        """
        from vmstate.stream.lookup import of_class

        return of_class(self[name], state_class)

    def __getitem__(self, name: str) -> Section:
        """The section that a name means: an idstr, its last part where only one has it, or either with #INSTANCE."""
        if not isinstance(name, str):
            raise PathError("a section is known by its name", expected="stream.sections, for one by its number")
        from vmstate.stream.lookup import find_section

        return find_section(self.sections, name)

    def __iter__(self) -> Iterator[Section]:
        """The sections, in the order of the stream."""
        return iter(self.sections)

    def __contains__(self, section: object) -> bool:
        """Whether a section is one of the stream's, or a name means at least one of them."""
        if not isinstance(section, str):
            return any(part is section for part in self.parts)
        from vmstate.stream.lookup import AmbiguousError, find_section

        try:
            find_section(self.sections, section)
        except AmbiguousError:
            return True
        except PathError:
            return False
        return True

    def section_at(self, offset: int) -> Section | None:
        """The section that an absolute offset is in, header and footer included, as it was read; None where none is."""
        return next(
            (section for section in self.sections if section.offset <= offset < section.offset + section.size), None
        )

    def find(self, path: str) -> tuple[Section | ConfigurationSection, Steps, Any]:
        """What SECTION[.PATH] means: the section (or the configuration), the steps from its state on, the value there.

        The longest section name that the end or a dot follows wins. Structs in front of a name may be left out where
        only one struct of the section has it, and so may the beginning of a wire name up to a dot: `virtio-net.mac`,
        `e1000e.permanent_mac`. Raises `PathError`.
        """
        from vmstate.stream.lookup import find

        return find(self, path)

    def query(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """What QEMU would have answered to a QMP command when it saved, as far as the stream knows.

        `arguments` are QMP's; an idstr stands for a `path` or a `name`. The answer is made of what JSON has. Raises
        `QueryError`. `vmstate.ask` does the same, and says which bytes each value came from.
        """
        # The questions stand above streams: they are imported when one is asked.
        from vmstate.query.ask import ask

        return ask(self, command, arguments or {}).value

    def events(self) -> Iterator[Event]:
        """The events that make up the stream as it is now; RAM as `RamBytes` from the input."""
        for part in self.parts:
            if not isinstance(part, Section):
                yield part
                continue
            yield part.header
            if isinstance(part.state, RamSummary):
                from vmstate.stream.ram_written import ram_events

                yield from ram_events(self.ram_bytes(part.state), part.state.offset)
            else:
                offset = part.payload_offset
                yield DeviceState(part.state, part.vmsd, part.described_by, part.version_id, offset, 0, part.problem)
            yield part.footer

    def chunks(self, origin: int = 0) -> Iterator[bytes | memoryview]:
        """The bytes of the stream, piece by piece: sections from their states, RAM from the input.

        `origin`: where in a file the first of them will stand, which mapped-ram minds.
        """
        if self.configuration is not None and self.configuration.has_capability("mapped-ram"):
            from vmstate.stream.ram_mapped import mapped_chunks

            yield from mapped_chunks(self, origin)
            return
        for part in self.parts:
            yield from self.chunks_of(part)

    def chunks_of(self, part: Part) -> Iterator[bytes | memoryview]:
        """The bytes of one part."""
        if isinstance(part, Trailing):
            end = part.offset + len(part.raw)
            if self._source is None or end != len(self._source.data):
                yield part.raw
            else:
                yield from self._source.pieces(part.offset, end)
            return
        if not isinstance(part, Section):
            yield part.to_bytes()
            return
        yield part.header.to_bytes()
        if isinstance(part.state, RamSummary):
            yield from self.ram_bytes(part.state)
        else:
            yield from part.pieces()
        yield part.footer.to_bytes()

    def ram_bytes(self, summary: RamSummary) -> Iterator[memoryview]:
        """The bytes of a RAM section as they came, piece by piece."""
        if summary.raw is not None:
            yield memoryview(summary.raw)
            return
        if self._source is None:
            raise StreamError("the input that held the RAM is closed", file=self.name)
        end = summary.offset + summary.size
        for start in range(summary.offset, end, _COPY):
            stop = min(start + _COPY, end)
            yield self._source.data[start:stop]
            self._source.release(start, stop)

    def write_vmdesc(self, dialect: Dialect | None = None) -> bytes:
        """The JSON text that QEMU would have sent behind this stream, from the descriptions and states.

        `dialect` is that of the stream's own vmdesc where it is not given. Raises `VMStateError`.
        """
        from vmstate.stream.described import vmdesc_text

        return vmdesc_text(self, dialect)

    def to_bytes(self) -> bytes:
        """The whole stream."""
        return b"".join(self.chunks())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the stream to a file: beside it first, then in its place. Raises `VMStateError`."""
        write_atomic(path, self.chunks())

    @property
    def is_postcopy(self) -> bool:
        """Whether the destination ran before all memory had come."""
        return any(isinstance(part, Command) and part.command == CommandType.POSTCOPY_RUN for part in self.parts)

    @property
    def may_lack_pages(self) -> bool:
        """Whether pages can be in further channels that were not given: few came, and no block is left out, or they
        came by postcopy, which ends without a vmdesc.
        """
        ram = self.ram
        count, is_shared = sum(ram.pages.values()), any(block.gpa is not None for block in ram.blocks)
        few = self.vmdesc_text is None or (count << 12 < (ram.total or 0) and not is_shared)
        return count > 0 and few and self.cut is None and not self.channels

    def close(self) -> None:
        """Let the input go; RAM cannot be written any more."""
        if self._source is not None:
            self._source.close()
            self._source = self._events = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def parts_of(events: Iterable[Event], release: Any = None) -> Iterator[Part]:
    """The parts that events make up."""
    header: SectionHeader | None = None
    state: DeviceState | None = None
    ram: RamSummary | None = None
    released = 0
    for event in events:
        if isinstance(event, SectionHeader):
            header, state, ram = event, None, None
        elif isinstance(event, DeviceState):
            state = event
        elif isinstance(event, SectionFooter):
            assert header is not None
            yield _section(header, state, ram or RamSummary(), event)
        elif isinstance(event, RamEvent):
            if ram is None:
                ram = RamSummary(offset=event.offset)
            ram.add(event)
        else:
            yield event
        if release is not None and event.offset - released > _RELEASE:
            release(released, event.offset)
            released = event.offset


def _section(header: SectionHeader, state: DeviceState | None, ram: RamSummary, footer: SectionFooter) -> Section:
    end = footer.offset + len(footer.to_bytes())
    if state is None:
        return Section(header, ram, None, "library", footer, ram.offset, end - header.offset)
    size = end - header.offset
    return Section(header, state.state, state.vmsd, state.described_by, footer, state.offset, size, state.problem)


def read_stream(
    source: StreamSource,
    *,
    vmdesc: Vmdesc | None = None,
    library: bool = True,
    facts: Mapping[str, Any] | None = None,
    reader: type[StreamReader] = StreamReader,
) -> Stream:
    """The stream in bytes that are all at hand; `load` opens files and does this.

    `vmdesc` stands in for the stream's own; without `library` the device library is not asked. `facts` are what is
    known of the host that saved, by name. Raises `VMStateError`, and leaves the source open.
    """
    data = source.data
    if len(data) == 0:
        raise StreamError("the stream is empty", expected="a migration stream")
    # What is no stream at all need not be looked through.
    text = find_vmdesc(data, source.release) if vmdesc is None and bytes(data[:4]) == MAGIC else None
    with collector_paused():
        known = vmdesc or (NOTHING_DESCRIBED if text is None else read_vmdesc(text))

        def events() -> Iterator[Event]:
            return reader.over(data, vmdesc=known, library=library, facts=facts, origin=source.origin).events()

        try:
            stream = Stream(parts_of(events(), source.release), source, source.name, events)
        except VMStateError:
            if text is None or data[-len(text) :] == text:
                raise
            # What more stands behind it can be what a volume held before.
            stream = read_stream(source, vmdesc=NOTHING_DESCRIBED, library=library, facts=facts, reader=reader)
            if stream.vmdesc_text in (None, text):
                raise
    carried = stream.vmdesc_text
    if vmdesc is None and carried != text:
        # What was found is no part of this stream, or what is part of it was not found for it is damaged.
        known = NOTHING_DESCRIBED if carried is None else read_vmdesc(carried)
        return read_stream(source, vmdesc=known, library=library, facts=facts, reader=reader)
    return stream
