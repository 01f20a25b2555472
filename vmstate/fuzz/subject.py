"""A stream cut into places: what stands where, which field it is, and which expressions read it.

Every offset is that of a byte of the stream as it came. A mutation is a number of edits at such offsets, so that any
choice of mutations can be applied together, and taken away one by one again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vmstate.errors import StreamError, VMStateError
from vmstate.fuzz.uses import Use, Uses
from vmstate.saved.opening import StreamLike, open_input
from vmstate.schema.vmdesc import NOTHING_DESCRIBED, Vmdesc, read_vmdesc
from vmstate.stream.configuration import Configuration
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import (
    FOOTER,
    Command,
    ConfigurationSection,
    DeviceState,
    EndOfStream,
    Event,
    Header,
    SectionFooter,
    SectionHeader,
    Vmdescription,
)
from vmstate.stream.ram_records import RamBlock, RamPages, RamSize
from vmstate.stream.reader import StreamReader
from vmstate.stream.registry import all_descriptions, last_part
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data, Value
from vmstate.vmsd.description import Field, Pointers, Subsection, VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.path import format_path
from vmstate.vmsd.state import facts_of

RAM_PLACES = 64
"""Pages of RAM that are places of their own; a stream can have millions, and they are all alike."""

LARGEST = 64 << 20
"""Bytes of a seed at most: it is held in memory, and once more for every mutation of it."""

Edit = tuple[int, int, bytes]
"""From, to, and what stands there instead."""


class FieldPlace(Data):
    """Something in a stream that can be changed.

    `kind` is what it is ("scalar", "bool", "buffer", "array", "padding", "bytes", "struct", "subsection", or a part of
    the envelope); `path` is that of the state, or the name of the part of the envelope. `vmsd` is the struct that has
    the field, for a subsection or struct the one that it is itself.
    """

    kind: str
    section: str | None
    path: str
    offset: int
    size: int
    field: Field | None = None
    vmsd: VMStateDescription | None = None
    uses: tuple[Use, ...] = ()
    number: int = 0
    """The number of the section in the stream; -1 for the configuration."""

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.size

    @property
    def parent(self) -> str:
        """The path of the struct that the field is in, with the dot behind it; empty for the outermost."""
        if self.field is None:
            return self.path.rpartition(".")[0]
        suffix = format_path([self.field.attribute])
        return self.path.removesuffix(suffix) if self.path.endswith(suffix) else ""

    @property
    def label(self) -> str:
        """The place without indices and instance: what coverage counts."""
        device = last_part(self.section) if self.section else "stream"
        return f"{device}: {without_indices(self.path)}"


def without_indices(path: str) -> str:
    """A path in which all elements of an array are one."""
    out, rest = "", path
    while "[" in rest:
        head, _, rest = rest.partition("[")
        inside_it, _, rest = rest.partition("]")
        out += f"{head}[*]" if inside_it.isdigit() else f"{head}[{inside_it}]"
    return out + rest


class SectionSpan(Value):
    """A section as it stands in the stream: where it begins, where its payload, where its footer, where it ends."""

    name: str
    instance_id: int
    kind: str
    number: int
    start: int
    payload: int
    footer: int
    end: int
    vmsd: Any = None
    version_id: int = 0
    facts: Any = None
    described_by: str = "none"


class Subject:
    """A seed: its bytes, its places, and what describes it.

    `described` is the vmdesc that the seed was read by; a minimal stream has none of its own and is read by this one.
    """

    def __init__(self, name: str, data: bytes, vmdesc: Vmdesc | None = None) -> None:
        self.name = name
        self.data = data
        text = find_vmdesc(memoryview(data)) if vmdesc is None else None
        self.described = vmdesc or (NOTHING_DESCRIBED if text is None else read_vmdesc(text))
        self.told = vmdesc
        """The vmdesc that a reader of the seed has to be told; None where the seed has its own, or there is none."""
        self.parts: list[SectionSpan] = []
        self.places: list[FieldPlace] = []
        self.head = 8
        """The bytes in front of the first part: the header, and the configuration if there is one."""
        self._find_places()
        self.groups: dict[str, list[list[FieldPlace]]] = {}
        self._by_kind: dict[str, list[FieldPlace]] = {}
        for place in self.places:
            self._by_kind.setdefault(place.kind, []).append(place)
        self._by_path: dict[tuple[int, str], FieldPlace] | None = None

    def __repr__(self) -> str:
        return f"<Subject {self.name!r} of {len(self.data)} bytes, {len(self.places)} places>"

    def of_kind(self, *kinds: str) -> list[FieldPlace]:
        """The places of some kinds."""
        return [place for kind in kinds for place in self._by_kind.get(kind, ())]

    def at(self, number: int, path: str) -> FieldPlace | None:
        """The place of a path in a section."""
        if self._by_path is None:
            self._by_path = {}
            for place in self.places:
                if place.field is not None:
                    self._by_path.setdefault((place.number, place.path), place)
        return self._by_path.get((number, path))

    def raw(self, place: FieldPlace) -> bytes:
        """The bytes of a place."""
        return self.data[place.offset : place.end]

    def value(self, place: FieldPlace) -> int:
        """The number that stands at a place, big-endian but for a field that is not."""
        return int.from_bytes(self.raw(place), order_of(place), signed=is_signed(place))

    def only(self, wanted: Any) -> None:
        """Forget all places of sections that `wanted(name)` does not hold for."""
        self.places = [place for place in self.places if place.section is None or wanted(place.section)]
        self.groups = {}
        self._by_kind = {}
        for place in self.places:
            self._by_kind.setdefault(place.kind, []).append(place)
        self._by_path = None

    # Cutting.

    def _find_places(self) -> None:
        header: SectionHeader | None = None
        state: DeviceState | None = None
        payload = 0
        pages = 0
        reader = StreamReader.over(memoryview(self.data), vmdesc=self.described)
        for event in reader.events():
            if isinstance(event, SectionHeader):
                header, state, payload = event, None, event.offset + len(event.to_bytes())
                self._section_header(event, len(self.parts))
            elif isinstance(event, DeviceState):
                state = event
            elif isinstance(event, SectionFooter):
                assert header is not None
                self._section(header, state, payload, event)
            elif isinstance(event, (RamSize, RamBlock, RamPages)):
                pages += isinstance(event, RamPages)
                if pages <= RAM_PLACES:
                    self._ram(event, len(self.parts))
            else:
                self._add_frame(event)

    def _add(self, kind: str, section: str | None, path: str, offset: int, size: int, **more: Any) -> None:
        self.places.append(FieldPlace(kind, section, path, offset, size, **more))

    def _add_frame(self, event: Event) -> None:
        if isinstance(event, Header):
            self._add("header", None, "magic", 0, 4)
            self._add("header", None, "version", 4, 4)
        elif isinstance(event, ConfigurationSection):
            vmsd: VMStateDescription = Configuration.vmsd  # type: ignore[attr-defined]
            self.head = event.offset + event.size
            self._fields("configuration", vmsd, event.offset + 1, self.head, 0, {}, -1)
        elif isinstance(event, Command):
            self._add("command", None, f"command {event.name}", event.offset, len(event.to_bytes()))
        elif isinstance(event, EndOfStream):
            self._add("end", None, "the end of the stream", event.offset, 1)
        elif isinstance(event, Vmdescription):
            self._add("vmdesc", None, "vmdesc", event.offset, len(event.to_bytes()))

    def _section_header(self, event: SectionHeader, number: int) -> None:
        def add(kind: str, path: str, offset: int, size: int) -> None:
            self._add(kind, event.name, path, offset, size, number=number)

        at = event.offset
        add("mark", "the mark of the section", at, 1)
        add("section_id", "section_id", at + 1, 4)
        if event.kind in ("start", "full"):
            length = len(event.to_bytes()) - 14
            add("idstr", "idstr", at + 5, 1 + length)
            add("instance_id", "instance_id", at + 6 + length, 4)
            add("version_id", "version_id", at + 10 + length, 4)

    def _section(self, header: SectionHeader, state: DeviceState | None, payload: int, footer: SectionFooter) -> None:
        number = len(self.parts)
        end = footer.offset + len(footer.to_bytes())
        vmsd, facts = _described(header, state, self.data[payload : footer.offset])
        part = SectionSpan(
            header.name,
            header.instance_id,
            header.kind,
            number,
            header.offset,
            payload,
            footer.offset,
            end,
            vmsd,
            header.version_id,
            facts,
            "library" if state is None else state.described_by,
        )
        self.parts.append(part)
        self._add("section", header.name, "the section", header.offset, end - header.offset, number=number)
        self._add("payload", header.name, "the state", payload, footer.offset - payload, number=number)
        if footer.section_id is not None:
            self._add("footer", header.name, "the footer", footer.offset, 5, number=number)
        if vmsd is not None:
            self._fields(header.name, vmsd, payload, footer.offset, header.version_id, facts, number)

    def _fields(
        self,
        section: str,
        vmsd: VMStateDescription,
        start: int,
        end: int,
        version: int,
        facts: Mapping[str, Any],
        number: int,
    ) -> None:
        anatomy = anatomy_of(vmsd)
        try:
            trace = vmsd.codec.trace(self.data[start:end], version_id=version, facts=facts)
        except VMStateError:
            # A field that is not as long as the vmdesc says can be read, but not traced.
            return
        for path, entry in trace.items():
            offset = start + entry.offset
            if entry.field is None:
                sub = anatomy.subsection(path)
                if sub is not None:
                    details = {"vmsd": sub.vmsd, "number": number}
                    self._add("subsection", section, path, offset, entry.size, **details)
                continue
            field = entry.field
            owner, uses = anatomy.of(field)
            details = {"field": field, "vmsd": owner, "uses": uses, "number": number}
            kind = kind_of(field, entry.size)
            if kind is not None:
                self._add(kind, section, path, offset, entry.size, **details)

    def _ram(self, event: RamSize | RamBlock | RamPages, number: int) -> None:
        size = len(event.raw)
        if isinstance(event, RamSize):
            self._add("ram total", "ram", "the total of the blocks", event.offset, size, number=number)
        elif isinstance(event, RamBlock):
            name = event.idstr
            length = event.raw[0]
            self._add("ram block", "ram", f"block {name}", event.offset, size, number=number)
            self._add("ram name", "ram", f"block {name}: name", event.offset, 1 + length, number=number)
            self._add("ram length", "ram", f"block {name}: length", event.offset + 1 + length, 8, number=number)
        else:
            what = f"{event.kind} {event.block} {event.address:#x}"
            self._add("ram header", "ram", f"header of {what}", event.offset, 8, number=number)
            self._add("ram pages", "ram", what, event.offset, size, number=number)


def _described(
    header: SectionHeader, state: DeviceState | None, payload: bytes
) -> tuple[VMStateDescription | None, dict[str, Any]]:
    """What describes a section, and the facts that hold: the library, where it can, since it knows counts and rules."""
    facts: dict[str, Any] = {IDSTR.name: header.name}
    if state is None or state.vmsd is None:
        return None, facts
    if state.described_by != "library":
        for vmsd in all_descriptions(header.name):
            try:
                state_read = vmsd.decode(payload, version_id=header.version_id, facts=facts)
            except VMStateError:
                continue
            return vmsd, {**facts_of(state_read), **facts}
    return state.vmsd, {**facts_of(state.state), **facts}


def kind_of(field: Field, size: int) -> str | None:
    """What kind of place a field is, None for one that takes no bytes."""
    kind = field.type
    if size == 0:
        return None
    if isinstance(kind, t.Unused):
        return "padding"
    if field.count is not None or isinstance(kind, (t.QList, t.GTree, t.KeyedList)):
        return "array"
    if isinstance(kind, t.Choice):
        return "struct" if any(True for _ in kind.children()) else "bytes"
    if isinstance(kind, t.Scalar):
        return "bool" if kind.code == "?" else "scalar"
    if isinstance(kind, (t.Buffer, t.Bitmap)):
        return "buffer"
    return "struct" if isinstance(kind, t.Struct) else "bytes"


def order_of(place: FieldPlace) -> Any:
    """The byte order of a number."""
    kind = place.field.type if place.field is not None else None
    # The orders of a host and of a device are little-endian on every seed that a QEMU of today writes.
    return "big" if not isinstance(kind, t.Scalar) or kind.order == ">" else "little"


def is_signed(place: FieldPlace) -> bool:
    """Whether a number can be negative."""
    kind = place.field.type if place.field is not None else None
    return isinstance(kind, t.Scalar) and kind.code.islower()


class Anatomy:
    """Of a description: whose field a field is, what reads it, and which subsections there are."""

    def __init__(self, vmsd: VMStateDescription) -> None:
        self.uses = Uses(vmsd)
        self._fields: dict[int, tuple[VMStateDescription, tuple[Use, ...]]] = {}
        self._subsections: dict[str, list[Subsection]] = {}
        self._seen: set[int] = set()
        self._visit(vmsd)

    def of(self, field: Field) -> tuple[VMStateDescription | None, tuple[Use, ...]]:
        """The struct that has a field, and the expressions that read it."""
        return self._fields.get(id(field), (None, ()))

    def subsection(self, path: str) -> Subsection | None:
        """The subsection that a path ends with."""
        text = path.rpartition(" #")[0] or path
        for attribute, subs in self._subsections.items():
            if text == attribute or text.endswith("." + attribute):
                return subs[0]
        return None

    def _visit(self, vmsd: VMStateDescription) -> None:
        if id(vmsd) in self._seen:
            return
        self._seen.add(id(vmsd))
        for field in vmsd.fields:
            uses = tuple(self.uses.of(vmsd, field.attribute))
            known = self._fields.get(id(field), (vmsd, ()))
            self._fields[id(field)] = (known[0], (*known[1], *(use for use in uses if use not in known[1])))
        for sub in vmsd.subsections:
            self._subsections.setdefault(format_path([sub.attribute]), []).append(sub)
        for child in vmsd.parts():
            self._visit(child)


def anatomy_of(vmsd: VMStateDescription) -> Anatomy:
    """The anatomy of a description; made once."""
    anatomy: Anatomy | None = vmsd.compiled.get("anatomy")
    if anatomy is None:
        anatomy = vmsd.compiled["anatomy"] = Anatomy(vmsd)
    return anatomy


def read_subject(path: StreamLike, name: str | None = None) -> Subject:
    """The subject that a file holds, compressed or not. Raises `VMStateError`."""
    with open_input(path) as opened:
        if len(opened.data) > LARGEST:
            raise StreamError(
                "the seed is too large", file=str(path), expected=f"at most {LARGEST >> 20} MiB: save without RAM"
            )
        try:
            return Subject(name or str(path), bytes(opened.data))
        except VMStateError as error:
            raise error.within(file=str(path)) from None


def alone(subject: Subject, part: SectionSpan) -> Subject:
    """One section of a subject in the smallest stream that can hold it."""
    data = subject.data[: subject.head] + subject.data[part.start : part.end] + b"\0"
    return Subject(f"{subject.name}:{part.name}#{part.instance_id}", data, subject.described)


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes with edits made; of edits that overlap the earlier one in the stream counts."""
    out: list[bytes] = []
    pos = 0
    for start, stop, new in sorted(edits, key=lambda edit: (edit[0], edit[1])):
        if start < pos:
            continue
        out += (data[pos:start], new)
        pos = stop
    out.append(data[pos:])
    return b"".join(out)


def scopes(subject: Subject, place: FieldPlace, expr: Any) -> Iterator[FieldPlace]:
    """The other places of the same struct that an expression reads."""
    for ref in expr.refs_:
        if ref.base_ != "this" or len(ref.names_) != 1:
            continue
        referred = subject.at(place.number, place.parent + format_path([ref.names_[0]]))
        if referred is not None and referred is not place:
            yield referred


def counted_by(subject: Subject, place: FieldPlace) -> Sequence[FieldPlace]:
    """The arrays and buffers that a field is the count or size of, and nothing else decides."""
    places: list[FieldPlace] = []
    for use in place.uses:
        if use.role not in ("count", "size") or place.vmsd is None:
            continue
        for field in place.vmsd.fields:
            size = field.count if use.role == "count" else getattr(field.type, "size", None)
            if size is use.expr:
                referred = subject.at(place.number, place.parent + format_path([field.attribute]))
                if referred is not None and field.pointers is not Pointers.NULL_MARKER:
                    places.append(referred)
    return places


def footer_of(section_id: int) -> bytes:
    """The footer of a section."""
    return bytes((FOOTER,)) + section_id.to_bytes(4, "big")
