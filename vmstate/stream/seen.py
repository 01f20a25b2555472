"""Streams among many: what an earlier one had in the same bytes is not read again.

    seen = Seen()
    stream = read_seen(opened, seen)

A section whose bytes were read before, under the same words of a vmdesc, is a `SeenSection` whose state is made when
somebody asks for it; `verify` and `explain` know it by its key. What a stream answers does not depend on what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from vmstate.errors import VMStateError
from vmstate.schema.shared import KeyedVmdesc, SharedVmdescs
from vmstate.schema.vmdesc import Vmdesc, hides_something
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import FOOTER, MAGIC, Event, SectionHeader
from vmstate.stream.ram_records import RamBlock, RamPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.source import StreamSource
from vmstate.stream.stream import Part, Section, Stream, parts_of, read_stream
from vmstate.vmsd.collector import collector_paused
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR

MOST_KEPT = 100_000
"""Sections that are kept in mind, of some 200 bytes each; then all are forgotten."""

LENGTHS = 4
"""Lengths of a section, the latest, that are looked for."""

MOST_MASKS = 32
"""Layouts of one section and length of which it is known which bytes are looked at."""

LEAST_MET = 4
"""How often each known layout of a section must have been met for that to have paid."""

MOST_MASKED = 64 << 20
"""Bytes of sections of which that is known; then all is forgotten."""

LEAST_FREE = 16
"""One byte of so many must make no difference, or it does not pay to know which."""

FOOTER_MARK = FOOTER.to_bytes(1, "big")

KEY = 16

_Kind = tuple[bytes, int, bytes | None]
"""The place of a section, its length in bytes, and a key of what answers for guest memory; None where nothing asks."""


class _Read:
    """How a section was read: by which description, and how many values that take no bytes it had."""

    __slots__ = ("described_by", "empty", "vmsd")

    def __init__(self, vmsd: VMStateDescription, described_by: str, empty: int) -> None:
        self.vmsd = vmsd
        self.described_by = described_by
        self.empty = empty


class Keys(NamedTuple):
    """What a section is known by among many.

    `place` is a key of all that is said of it beside its bytes, `key` of what is looked at in these, too. `layout` is
    the number of a layout that it is known to have, None where none is. `is_judged` is whether all is in the key that
    `explain` looks at.
    """

    place: bytes
    key: bytes
    layout: int | None
    is_judged: bool


class Masks:
    """Which bytes of a section decide how it is laid out, and which of these and more are looked at, as masks.

    A mask is a number with as many bytes as the section, the first of them the highest.

    `described` are the names of structs: before each subsection stands that of the struct that it is of. `is_judged`
    is whether what `explain` looks at is in them; `asked_memory` whether any of that was decided by guest memory.
    """

    __slots__ = (
        "_names",
        "_of_values",
        "_subsections",
        "asked_memory",
        "is_judged",
        "layout",
        "of_layout",
        "tells_apart",
    )

    def __init__(
        self,
        payload: bytes,
        layout: int,
        values: int,
        described: Collection[bytes],
        *,
        is_judged: bool,
        asked_memory: bool,
    ) -> None:
        self.is_judged = is_judged
        self.asked_memory = asked_memory
        self.of_layout = layout
        self.layout = int.from_bytes(payload, "big") & layout
        self._of_values = values | layout
        self._names = re.compile(b"\x05(?=.(?:" + b"|".join(map(re.escape, sorted(described))) + b"))", re.DOTALL)
        self._subsections = self._places(payload)
        self.tells_apart = self._of_values.bit_count() * LEAST_FREE < 8 * len(payload) * (LEAST_FREE - 1)
        """Whether enough of the bytes are not looked at."""

    def _places(self, payload: bytes) -> list[int]:
        """Where a subsection can seem to begin."""
        return [match.start() for match in self._names.finditer(payload)]

    def fit(self, payload: bytes) -> bool:
        """Whether a section with the same bytes in `of_layout` is laid out in the same way."""
        return self._places(payload) == self._subsections

    def looked_at(self, number: int, length: int) -> bytes:
        """What is looked at of a section of `length` bytes, which are the number."""
        return (number & self._of_values).to_bytes(length, "big")


class _Layouts:
    """Layouts that a section of a place and length is known to have."""

    def __init__(self) -> None:
        self.count = 0
        self.met = 0
        """How many sections had one of them."""
        self._by_bytes: dict[int, dict[int, list[tuple[int, Masks]]]] = {}
        """Which bytes decide -> these bytes -> number of the layout and what is known of it."""

    def add(self, number: int, masks: Masks) -> None:
        """Know one more."""
        self.count += 1
        self._by_bytes.setdefault(masks.of_layout, {}).setdefault(masks.layout, []).append((number, masks))

    def of(self, payload: bytes, number: int) -> tuple[int, Masks] | None:
        """The layout of a section, whose bytes are the number; None where it is laid out otherwise."""
        for of_layout, by_layout in self._by_bytes.items():
            for known in by_layout.get(number & of_layout, ()):
                if known[1].fit(payload):
                    self.met += 1
                    return known
        return None


class Seen:
    """What is kept of the streams so far."""

    def __init__(self) -> None:
        self.vmdescs = SharedVmdescs()
        self.lengths: dict[bytes, list[int]] = {}
        self.read: dict[bytes, _Read] = {}
        self.layouts: dict[_Kind, _Layouts] = {}
        self.masked = 0
        """Bytes of sections whose layouts are known."""
        self.learned = 0
        self.unknown: dict[_Kind, int] = {}

    def keys_of(self, place: bytes, payload: bytes, memory: bytes | None) -> Keys:
        """The keys of a section: of what is looked at in its bytes, where it is known what that is.

        `memory` is a key of what answers for guest memory; None where a stream holds some.
        """
        length = len(payload)
        bits: int | None = None
        for asked in (None,) if memory is None else (None, memory):
            layouts = self.layouts.get((place, length, asked))
            if layouts is None:
                continue
            bits = int.from_bytes(payload, "big") if bits is None else bits
            known = layouts.of(payload, bits)
            if known is not None:
                number, masks = known
                salt = number.to_bytes(8, "big")
                key = blake2b(masks.looked_at(bits, length), key=place, salt=salt, digest_size=KEY).digest()
                return Keys(place, key, number, masks.is_judged)
        return Keys(place, blake2b(payload, key=place, digest_size=KEY).digest(), None, True)

    def is_due(self, keys: Keys, length: int, memory: bytes | None) -> bool:
        """Whether to find out what is looked at in a section that was not met.

        At once, and each time where that has paid for such sections; else less and less often.
        """
        if keys.layout is not None:
            return False
        kind = keys.place, length, memory
        known = [self.layouts[kind] for kind in {kind, (keys.place, length, None)} if kind in self.layouts]
        kept, met = sum(layouts.count for layouts in known), sum(layouts.met for layouts in known)
        count = self.unknown.get(kind, 0) + 1
        self.unknown[kind] = count
        return kept < MOST_MASKS and (count == 2**kept or (count < MOST_KEPT and met >= LEAST_MET * kept > 0))

    def learn(self, place: bytes, length: int, memory: bytes | None, masks: Masks) -> None:
        """Know from now on what is looked at in sections like one, where nothing or the same answers for memory."""
        if not masks.tells_apart:
            # Nothing is gained: it is not asked again.
            self.unknown[place, length, memory] = MOST_KEPT
            return
        self.learned += 1
        self.masked += length
        kind = place, length, memory if masks.asked_memory else None
        self.layouts.setdefault(kind, _Layouts()).add(self.learned, masks)

    def lengths_of(self, place: bytes) -> list[int]:
        """The lengths in bytes that the section of a key had, the latest first; they may be added to."""
        return self.lengths.setdefault(place, [])

    def keep(self, place: bytes, length: int, key: bytes, read: _Read) -> None:
        """Keep in mind how a section was read."""
        if len(self.read) >= MOST_KEPT:
            self.read.clear()
            self.lengths.clear()
        if self.masked > MOST_MASKED or len(self.unknown) > MOST_KEPT:
            self.masked = 0
            self.layouts.clear()
            self.unknown.clear()
            # Keys were made by them.
            self.read.clear()
        lengths = self.lengths_of(place)
        if length in lengths:
            lengths.remove(length)
        self.lengths[place] = [length, *lengths[: LENGTHS - 1]]
        self.read[key] = read


def key_of_memory(unsent: tuple[object, ...] | None) -> bytes | None:
    """A key of what `vmstate.rules.memory.unsent_memory` gives."""
    return None if unsent is None else blake2b(repr(unsent).encode("utf-8", "replace"), digest_size=KEY).digest()


class _Later:
    """The state of a section that was seen, which nobody has asked for."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class SeenSection(Section[Any]):
    """A section whose state is made when somebody asks for it, and is not to be changed.

    `keys` are None where its bytes do not decide how it is read.
    """

    __slots__ = ("_state", "keys", "raw")

    def __init__(self, section: Section, raw: bytes, keys: Keys | None) -> None:
        self._state = section.state
        self.raw = raw
        """The bytes between header and footer, as they came."""
        self.keys = keys
        self.header = section.header
        self.vmsd = section.vmsd
        self.described_by = section.described_by
        self.footer = section.footer
        self.payload_offset = section.payload_offset
        self.size = section.size
        self.problem = section.problem

    @property
    def key(self) -> bytes | None:
        """The key of what is looked at in it."""
        return None if self.keys is None else self.keys.key

    @property
    def was_read(self) -> bool:
        """Whether it was read, since nothing of the same key was before it; or its state was asked for."""
        return not isinstance(self._state, _Later)

    @property
    def state(self) -> Any:
        """The state."""
        if isinstance(self._state, _Later):
            assert self.vmsd is not None
            self._state = self.vmsd.decode(self._state.data, version_id=self.version_id, facts={IDSTR.name: self.name})
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        raise AttributeError("a stream among many cannot be changed")

    @property
    def is_ram(self) -> bool:
        """Whether it holds RAM: that has no key."""
        return False

    def payload(self) -> bytes:
        """The bytes between header and footer, as they came."""
        return self.raw

    def written(self) -> bytes:
        """The same, from the state."""
        return super().payload()


class _SeenReader(StreamReader):
    """Reads a stream that is all there, and passes over what was read before."""

    def __init__(self, source: StreamSource, seen: Seen, described: KeyedVmdesc) -> None:
        super().__init__(vmdesc=described.vmdesc)
        self._read_whole(source.data, source.origin)
        self.seen = seen
        self.described = described
        self.keys: dict[int, Keys] = {}
        """Offset of the state -> keys of a section."""
        self.blocks: list[tuple[str, int]] | None = []
        """Names and sizes of the blocks of guest memory so far; None where any of it was sent."""
        self._memory: bytes | None = None

    def _ram_event(self, data: memoryview) -> Event:
        event = super()._ram_event(data)
        self._memory = None
        if isinstance(event, RamPages) or (isinstance(event, RamBlock) and event.mapped is not None):
            self.blocks = None
        elif isinstance(event, RamBlock) and self.blocks is not None:
            self.blocks.append((event.idstr, event.used_length))
        return event

    @property
    def memory(self) -> bytes | None:
        """A key of what answers for guest memory; None where the stream holds some."""
        if self._memory is None and self.blocks is not None:
            machine = None if self._configuration is None else self._configuration.machine
            self._memory = key_of_memory((machine, tuple(self.blocks)))
        return self._memory

    def _device_state(self, data: memoryview) -> Event:
        header = self._section
        assert header is not None
        if header.kind != "full":
            return super()._device_state(data)
        place, pos = self._place_of(header), self._pos
        ends = self._ends(data, header)

        def ends_surely(end: int) -> bool:
            # Of the first section alone it is not known whether there is a footer behind it.
            is_told = self._footers is not None or data[end : end + 1] == FOOTER_MARK
            return is_told and ends.is_end(end) and not ends.is_padded_end(end)

        for length in self.seen.lengths_of(place):
            end = pos + length
            if not ends_surely(end):
                continue
            keys = self.seen.keys_of(place, bytes(data[pos:end]), self.memory)
            read = self.seen.read.get(keys.key)
            if read is not None and read.empty <= self._allowance.left:
                self._allowance.left -= read.empty
                self.keys[self.offset] = keys
                return self._decoded(header, _Later(bytes(data[pos:end])), read.vmsd, read.described_by, end)
        left, offset = self._allowance.left, self.offset
        event: Any = super()._device_state(data)
        end, vmsd = self._pos, event.vmsd
        # What ends by what is in it does so wherever it stands; what nothing opens ends by what follows.
        decides = vmsd is not None and (event.described_by == "library" or not hides_something(vmsd))
        if decides and event.problem is None and ends_surely(end):
            keys = self.keys[offset] = self.seen.keys_of(place, bytes(data[pos:end]), self.memory)
            self.seen.keep(place, end - pos, keys.key, _Read(vmsd, event.described_by, left - self._allowance.left))
        return event  # type: ignore[no-any-return]

    def raw_of(self, section: Section) -> bytes:
        """The bytes between header and footer."""
        assert self._whole is not None
        end = section.offset + section.size - len(section.footer.to_bytes())
        return bytes(self._whole[section.payload_offset - self._base : end - self._base])

    def _place_of(self, header: SectionHeader) -> bytes:
        """A key of what is said of a section beside its bytes."""
        device = self._candidates.device(header)
        said = b"" if device is None else self.described.keys[id(device)]
        words = f"{header.name}\0{header.instance_id}\0{header.version_id}"
        return blake2b(words.encode(), key=said, digest_size=KEY).digest()


class SeenStream(Stream):
    """A stream among many."""

    described: Vmdesc | None = None
    memory_key: bytes | None = None
    """A key of what answers for guest memory; None where the stream holds some."""

    @property
    def vmdesc(self) -> Vmdesc | None:
        """The descriptions that the stream itself carries."""
        return self.described

    def chunks_of(self, part: Part) -> Iterator[bytes | memoryview]:
        """The bytes of one part, of a section from its state."""
        if isinstance(part, SeenSection):
            yield from (part.header.to_bytes(), part.written(), part.footer.to_bytes())
        else:
            yield from super().chunks_of(part)


def read_seen(source: StreamSource, seen: Seen) -> Stream:
    """What `read_stream` gives, among many streams. Raises `VMStateError`, and leaves the source open."""
    data = source.data
    with collector_paused(), suppress(VMStateError):
        text = find_vmdesc(data, source.release) if bytes(data[:4]) == MAGIC else None
        described = seen.vmdescs.read(text)
        reader = _SeenReader(source, seen, described)

        def events() -> Iterator[Event]:
            return StreamReader.over(data, vmdesc=described.vmdesc, origin=source.origin).events()

        parts = [
            SeenSection(part, reader.raw_of(part), reader.keys.get(part.payload_offset))
            if isinstance(part, Section) and not part.is_ram
            else part
            for part in parts_of(reader.events(), source.release)
        ]
        stream = SeenStream(parts, source, source.name, events)
        if stream.vmdesc_text == text:
            stream.described = None if text is None else described.vmdesc
            stream.memory_key = reader.memory
            return stream
    # What is damaged is told as of a stream alone.
    return read_stream(source)
