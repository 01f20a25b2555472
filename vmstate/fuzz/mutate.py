"""Mutations: what is wrong with a stream, by name and by place.

A mutator knows the kind of place it spoils, and gives the edits and the words for what it did. `MUTATORS` is the table
of all of them; whoever has another kind of record to spoil adds a mutator with `mutator`. A payload is changed without
its envelope, and the envelope without its payload, unless the envelope is what the mutator is about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vmstate.errors import VMStateError
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.shapes import spoilt_text
from vmstate.fuzz.source import ChoiceSource
from vmstate.fuzz.subject import (
    Edit,
    FieldPlace,
    Subject,
    apply,
    counted_by,
    footer_of,
    is_signed,
    order_of,
    scopes,
)
from vmstate.schema.plain import plain_number, plain_text
from vmstate.stream.events import CommandType, Mark
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data, Value
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import Op

Spoil = Callable[[Subject, FieldPlace, ChoiceSource], "tuple[list[Edit], str] | None"]
"""The edits, and what they do in words; None where the place allows no such thing."""


class Mutation(Value):
    """One thing that is wrong: the mutator's name, the section and path, the edits, and the words."""

    mutator: str
    section: str | None
    path: str
    edits: tuple[Edit, ...]
    text: str
    label: str = ""
    rules: tuple[str, ...] = ()
    """The rules that read what was changed."""

    def __str__(self) -> str:
        where = f"{self.section}: {self.path}" if self.section else self.path
        return f"{where}: {self.text} [{self.mutator}]"

    def as_json(self) -> dict[str, Any]:
        """As a JSON object; bytes are hexadecimal."""
        edits = [[start, stop, new.hex()] for start, stop, new in self.edits]
        return {
            "mutator": self.mutator,
            "section": self.section,
            "path": self.path,
            "text": self.text,
            "label": self.label,
            "rules": list(self.rules),
            "edits": edits,
        }

    @classmethod
    def from_json(cls, data: Any) -> Mutation:
        """A mutation from what `as_json` made. Raises KeyError, TypeError or ValueError for what is no mutation."""
        edits = []
        for first, stop, new in data["edits"]:
            stop = plain_number(stop, 1 << 40)
            edits.append((plain_number(first, stop + 1), stop, bytes.fromhex(new)))
        section = None if data["section"] is None else plain_text(data["section"])
        words = plain_text(data["mutator"]), section, plain_text(data["path"])
        rules = tuple(plain_text(rule) for rule in data["rules"])
        return cls(*words, tuple(edits), plain_text(data["text"]), plain_text(data["label"]), rules)


class Mutator(Data):
    """A way of spoiling: its name, the kinds of place it is for, what it does, and whether it breaks the framing."""

    name: str
    kinds: tuple[str, ...]
    doc: str
    spoil: Spoil
    framing: bool = False
    wants: Callable[[FieldPlace], bool] | None = None
    """Which places of these kinds it is for; None: all."""


MUTATORS: dict[str, Mutator] = {}
"""All mutators by name."""


def mutator(
    name: str, *kinds: str, framing: bool = False, wants: Callable[[FieldPlace], bool] | None = None
) -> Callable[[Spoil], Spoil]:
    """Put a function into the table of mutators."""

    def put(spoil: Spoil) -> Spoil:
        MUTATORS[name] = Mutator(name, kinds, (spoil.__doc__ or "").strip(), spoil, framing, wants)
        return spoil

    return put


def mutate(subject: Subject, source: ChoiceSource, mutators: Sequence[Mutator], most: int = 2) -> list[Mutation]:
    """One mutation, or a few, of a subject, by mutators that have something to spoil in it."""
    mutations: list[Mutation] = []
    count = 1 if most < 2 or not source.chance(4) else source.integer(2, most)
    for _ in range(8 * count):
        mutation = attempt(subject, source, source.choice(mutators))
        if mutation is not None and not any(_overlap(mutation, earlier) for earlier in mutations):
            mutations.append(mutation)
        if len(mutations) == count:
            break
    return mutations


def attempt(subject: Subject, source: ChoiceSource, chosen: Mutator) -> Mutation | None:
    """A mutation by one mutator, or None where it finds nothing to do."""
    groups = groups_of(subject, chosen)
    if not groups:
        return None
    # Fields that there are thousands of must not crowd out those that there are few of.
    place = source.choice(source.choice(groups))
    spoilt = chosen.spoil(subject, place, source)
    if spoilt is None:
        return None
    edits, text = spoilt
    if apply(subject.data, edits) == subject.data:
        return None
    rules = tuple(dict.fromkeys(use.rule.id for use in place.uses if use.rule is not None))
    return Mutation(chosen.name, place.section, place.path, tuple(edits), text, place.label, rules)


def groups_of(subject: Subject, chosen: Mutator) -> list[list[FieldPlace]]:
    """The places that a mutator is for, those of one field together."""
    cache = subject.groups
    if chosen.name not in cache:
        groups: dict[str, list[FieldPlace]] = {}
        for place in subject.of_kind(*chosen.kinds):
            if chosen.wants is None or chosen.wants(place):
                groups.setdefault(place.label, []).append(place)
        cache[chosen.name] = list(groups.values())
    return cache[chosen.name]


def applicable(subject: Subject, *, framing: bool = True, names: Sequence[str] | None = None) -> list[Mutator]:
    """The mutators for which a subject has places."""
    return [
        mutator
        for mutator in MUTATORS.values()
        if (names is None or mutator.name in names) and (framing or not mutator.framing) and groups_of(subject, mutator)
    ]


def _overlap(first: Mutation, second: Mutation) -> bool:
    return any((a[0] < b[1] and b[0] < a[1]) or a[:2] == b[:2] for a in first.edits for b in second.edits)


# What a place can be to the expressions of its description.


def _is_read_as(*roles: str) -> Callable[[FieldPlace], bool]:
    return lambda place: any(use.role in roles for use in place.uses)


def _is_known(place: FieldPlace) -> bool:
    return any(True for use in place.uses for _ in use.constants())


def _is_compared(place: FieldPlace) -> bool:
    kind = place.field.type if place.field is not None else None
    return isinstance(kind, t.Scalar) and kind.rule is not None


def _is_bounded(place: FieldPlace) -> bool:
    return any(
        isinstance(node, Op) and node.symbol in ("<", "<=", ">", ">=") for use in place.uses for node in use.expr.walk()
    )


# Values.


def _edit_of_value(place: FieldPlace, value: int) -> tuple[list[Edit], str] | None:
    signed = is_signed(place)
    bits = place.size * 8
    if signed and value >= 1 << bits - 1:
        value -= 1 << bits
    try:
        new = value.to_bytes(place.size, order_of(place), signed=signed)
    except OverflowError:
        return None
    return [(place.offset, place.end, new)], ""


def _edit_to(subject: Subject, place: FieldPlace, value: int) -> tuple[list[Edit], str] | None:
    written = _edit_of_value(place, value)
    before = subject.value(place)
    return None if written is None or value == before else (written[0], f"{before} -> {value}")


@mutator("value.bound", "scalar")
def _bound(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """The smallest or largest value that fits, or one beside it."""
    top = (1 << place.size * 8) - 1
    return _edit_to(subject, place, source.choice((0, 1, top >> 1, (top >> 1) + 1, top - 1, top, 0xFF, 0xFFFF & top)))


@mutator("value.step", "scalar")
def _step(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """One more or less, or a page more or less."""
    return _edit_to(subject, place, subject.value(place) + source.choice((1, -1, 2, -2, 0x1000, -0x1000)))


@mutator("value.bit", "scalar", "buffer", "array", "bytes")
def _bit(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """One bit turned over."""
    byte, bit = source.integer(0, place.size - 1), source.integer(0, 7)
    at = place.offset + byte
    return [(at, at + 1, bytes((subject.data[at] ^ 1 << bit,)))], f"bit {bit} of byte {byte} turned over"


@mutator("value.random", "scalar")
def _random(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Any value that fits."""
    return _edit_to(subject, place, int.from_bytes(source.data(place.size), "big"))


@mutator("value.known", "scalar", wants=_is_known)
def _near(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A number that a condition or a rule compares the field with, or one beside it."""
    known = sorted({constant + by for use in place.uses for constant in use.constants() for by in (-1, 0, 1)})
    return _edit_to(subject, place, source.choice(known)) if known else None


@mutator("value.other", "scalar")
def _other(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """The value of another field of the same size in the section."""
    others = [near for near in _near_by(subject, place) if near.size == place.size]
    if not others:
        return None
    donor = source.choice(others)
    changed = _edit_to(subject, place, subject.value(donor))
    return None if changed is None else (changed[0], f"{changed[1]}, the value of {donor.path}")


def _near_by(subject: Subject, place: FieldPlace) -> list[FieldPlace]:
    return [
        neighbour
        for neighbour in subject.of_kind("scalar")
        if neighbour.number == place.number and neighbour is not place and neighbour.parent == place.parent
    ]


@mutator("bool.odd", "bool")
def _odd(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A bool turned over, or a byte that is neither 0 nor 1."""
    before = subject.data[place.offset]
    value = source.choice((1 - min(before, 1), 2, 0x7F, 0x80, 0xFF))
    return [(place.offset, place.offset + 1, bytes((value,)))], f"{before} -> {value}"


@mutator("padding.odd", "padding")
def _padding(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Padding that is not zero."""
    at = place.offset + source.integer(0, place.size - 1)
    value = source.choice((1, 5, 0x7E, 0xFF))
    return [(at, at + 1, bytes((value,)))], f"byte {at - place.offset} -> {value}"


@mutator("bytes.overwritten", "buffer", "array", "bytes")
def _bytes(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A few bytes somewhere in an array or buffer."""
    size = min(place.size, source.choice((1, 2, 4, 8)))
    at = place.offset + source.integer(0, place.size - size)
    new = source.choice((bytes(size), b"\xff" * size, source.data(size)))
    return [(at, at + size, new)], f"bytes {at - place.offset} on: {subject.data[at : at + size].hex()} -> {new.hex()}"


@mutator("equal.differs", "scalar", wants=_is_compared)
def _equal(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A value that QEMU compares with its own, changed."""
    before = subject.value(place)
    return _edit_to(subject, place, source.choice((before + 1, before - 1, 0, before * 2, -1)))


# Counts, lengths, indices.


@mutator("count.wrong", "scalar", wants=_is_read_as("count", "size", "bits", "select"))
def _count(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A count or size that is not that of what follows."""
    before, top = subject.value(place), (1 << place.size * 8) - 1
    huge = (top, top >> 1, (top >> 1) + 1, 1 << max(0, place.size * 4), 0x10000 & top, 0x7FFFFFFF & top)
    return _edit_to(subject, place, source.choice((before + 1, before - 1, 0, before * 2, *huge)))


@mutator("count.grown", "scalar", wants=_is_read_as("count", "size"))
def _grown(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A count or size, and as many elements or bytes, more or fewer than there were."""
    counted = counted_by(subject, place)
    before = subject.value(place)
    if not counted or before <= 0:
        return None
    after = source.choice((before + 1, before - 1, before * 2, 0, before + 63, 64, 65, 128, 129, 1024, 1025))
    written = _edit_to(subject, place, after)
    if written is None or after < 0 or after > 1 << 12:
        return None
    edits = list(written[0])
    for array in counted:
        raw = subject.raw(array)
        if len(raw) % before:
            return None
        element_size = len(raw) // before
        edits.append(
            (array.offset, array.end, (raw + raw[-element_size:] * max(0, after - before))[: after * element_size])
        )
    return edits, f"{written[1]}, with the elements"


@mutator("rule.edge", "scalar", wants=_is_read_as("rule", "validate"))
def _rule(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A field that QEMU's rules read, at or beyond what they allow, together with what they compare it with."""
    use = source.choice([use for use in place.uses if use.role in ("rule", "validate")])
    numbers = set(use.constants())
    others = list(scopes(subject, place, use.expr))
    numbers |= {subject.value(operand) for operand in others if operand.kind == "scalar"}
    numbers |= {_length_of(subject, operand) for operand in others if operand.kind == "array"}
    values = sorted({number + by for number in numbers for by in (-1, 0, 1)} | {0, 1, (1 << place.size * 8) - 1})
    changed = _edit_to(subject, place, source.choice(values))
    name = use.rule.id if use.rule is not None else "validate"
    if changed is None:
        return None
    edits, text = list(changed[0]), f"{changed[1]}, for the rule {name}"
    numeric = [operand for operand in others if operand.kind == "scalar"]
    if numeric and source.chance(2):
        operand = source.choice(numeric)
        changed = _edit_to(subject, operand, source.choice((0, 1, subject.value(operand) + 1, subject.value(place))))
        if changed is not None:
            edits += changed[0]
            text += f"; {operand.path}: {changed[1]}"
    return edits, text


def _length_of(subject: Subject, place: FieldPlace) -> int:
    count = place.field.count if place.field is not None else None
    return count if isinstance(count, int) else len(subject.raw(place))


@mutator("rule.index", "scalar", wants=_is_bounded)
def _index(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A field that is compared with a number of elements, put at or beyond it."""
    return _edit_to(subject, place, source.choice((0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 63, 64, 65, 1023, 1024, 0xFFFF)))


# Subsections.


def _header_of(subject: Subject, place: FieldPlace) -> tuple[int, int, int]:
    """Where the name, the version and the body of a subsection begin."""
    length = subject.data[place.offset + 1]
    return place.offset + 2, place.offset + 2 + length, place.offset + 6 + length


@mutator("subsection.dropped", "subsection")
def _sub_dropped(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A subsection left out."""
    return [(place.offset, place.end, b"")], "left out"


@mutator("subsection.twice", "subsection")
def _sub_twice(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A subsection that comes twice."""
    return [(place.end, place.end, subject.raw(place))], "sent twice"


@mutator("subsection.order", "subsection")
def _sub_order(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Two subsections of one struct in the other order."""
    behind = next((subsection for subsection in subject.of_kind("subsection") if subsection.offset == place.end), None)
    if behind is None or behind.parent != place.parent or behind.number != place.number:
        return None
    both = subject.raw(behind) + subject.raw(place)
    return [(place.offset, behind.end, both)], f"sent behind {behind.path}"


@mutator("subsection.renamed", "subsection")
def _sub_renamed(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A subsection under a name that nobody has, or another length of its name."""
    name, version, _ = _header_of(subject, place)
    how = source.choice(("last", "first", "longer", "empty", "nul"))
    old = subject.data[name:version]
    new = {
        "last": old[:-1] + b"?",
        "first": b"?" + old[1:],
        "longer": old + b"x",
        "empty": b"",
        "nul": old[:-1] + b"\0",
    }[how]
    return [(place.offset + 1, version, bytes((len(new) & 0xFF,)) + new)], f"renamed {old!r} -> {new!r}"


@mutator("subsection.version", "subsection")
def _sub_version(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another version_id of a subsection."""
    _, version, body = _header_of(subject, place)
    before = int.from_bytes(subject.data[version:body], "big")
    after = source.choice((before + 1, before - 1, 0, 0xFF, 0x100 + before, 0xFFFFFFFF)) & 0xFFFFFFFF
    return [(version, body, after.to_bytes(4, "big"))], f"version {before} -> {after}"


@mutator("subsection.moved", "subsection")
def _sub_moved(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A subsection in front of, or behind, another struct's."""
    others = [
        subsection
        for subsection in subject.of_kind("subsection")
        if subsection.number == place.number and subsection is not place
    ]
    others = [subsection for subsection in others if subsection.end <= place.offset or subsection.offset >= place.end]
    if not others:
        return None
    target = source.choice(others)
    edits = [(place.offset, place.end, b""), (target.offset, target.offset, subject.raw(place))]
    return edits, f"moved in front of {target.path}"


@mutator("subsection.added", "subsection", "payload")
def _sub_added(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A subsection that the description has and the stream had not."""
    part = subject.parts[place.number]
    vmsd = place.vmsd if place.kind == "subsection" else part.vmsd
    if vmsd is None:
        return None
    at = place.end
    present = {
        subsection.vmsd.name
        for subsection in subject.of_kind("subsection")
        if subsection.vmsd and subsection.number == place.number
    }
    missing = [sub for sub in vmsd.subsections if sub.vmsd.name not in present]
    if not missing:
        return None
    sub = source.choice(missing)
    added = grown_subsection(sub.vmsd, source, dict(part.facts))
    return None if added is None else ([(at, at, added)], f"subsection {sub.vmsd.name} added")


def grown_subsection(vmsd: VMStateDescription, source: ChoiceSource, facts: dict[str, Any]) -> bytes | None:
    """A subsection by itself, as it stands in a stream; None where it reads the struct around it."""
    try:
        body = vmsd.encode(Grower(vmsd, source, facts).grow(vmsd.version_id), force=True)
    except VMStateError:
        return None
    name = vmsd.wire_name
    return bytes((Mark.SUBSECTION, len(name))) + name + vmsd.version_id.to_bytes(4, "big") + body


@mutator("subsection.unknown", "subsection", "payload")
def _sub_unknown(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A subsection that no description has, under the name of the struct that it follows."""
    part = subject.parts[place.number]
    vmsd = place.vmsd if place.kind == "subsection" else part.vmsd
    if vmsd is None:
        return None
    name = vmsd.wire_name[:200] + source.choice((b"/fuzz", b"", b"x", b"/"))
    body = source.data(source.integer(0, 4))
    return [(place.end, place.end, bytes((5, len(name))) + name + bytes(4) + body)], f"subsection {name!r} added"


# The envelope of a section.


@mutator("section.version", "version_id")
def _version(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another version_id of a section."""
    before = subject.value(place)
    return _edit_to(subject, place, source.choice((before + 1, before - 1, 0, 1, 0xFF, 0x100 + before, 0x7FFFFFFF)))


@mutator("section.instance", "instance_id")
def _instance(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another instance_id."""
    before = subject.value(place)
    return _edit_to(subject, place, source.choice((before + 1, 0, 1, 0x80000000, 0xFFFFFFFF)))


@mutator("section.name", "idstr")
def _name(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another idstr: one that nothing has, one that is no text, an empty one, or that of another section."""
    old = subject.raw(place)[1:]
    others = [part.name.encode() for part in subject.parts if part.name.encode() != old]
    new = source.choice((old[:-1] + b"?", b"\xff" + old[1:], b"", old + b"/x", *others[:3]))[:255]
    return [(place.offset, place.end, bytes((len(new),)) + new)], f"idstr {old!r} -> {new!r}"


@mutator("section.id", "section_id")
def _section_id(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another section_id, in header and footer alike."""
    before = subject.value(place)
    section_id = source.choice((before + 1, 0, 0xFFFFFFFF, source.choice(subject.parts).number))
    part = subject.parts[place.number]
    edits = _edit_to(subject, place, section_id)
    if edits is None:
        return None
    if part.end - part.footer == 5:
        edits[0].append((part.footer, part.end, footer_of(section_id)))
    return edits[0], f"section_id {edits[1]}"


@mutator("section.kind", "mark", framing=True)
def _kind(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another kind of part."""
    before = subject.data[place.offset]
    after = source.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x7E, 0xFF))
    return [(place.offset, place.end, bytes((after,)))], f"mark {before:#x} -> {after:#x}"


@mutator("section.dropped", "section")
def _dropped(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A section left out."""
    return [(place.offset, place.end, b"")], "left out"


@mutator("section.twice", "section")
def _twice(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A section that comes twice."""
    return [(place.end, place.end, subject.raw(place))], "sent twice"


@mutator("section.order", "section")
def _order(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A section in front of another."""
    others = [section for section in subject.of_kind("section") if section.end <= place.offset]
    if not others:
        return None
    target = source.choice(others)
    edits = [(place.offset, place.end, b""), (target.offset, target.offset, subject.raw(place))]
    return edits, f"moved in front of {target.section}"


@mutator("footer.wrong", "footer")
def _footer(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A footer of another section, none at all, or another mark."""
    how = source.choice(("id", "none", "mark", "twice"))
    raw = subject.raw(place)
    if how == "id":
        return [(place.offset, place.end, footer_of(int.from_bytes(raw[1:], "big") ^ 1))], "the id of another section"
    if how == "none":
        return [(place.offset, place.end, b"")], "left out"
    if how == "mark":
        return [(place.offset, place.offset + 1, b"\x7f")], "another mark"
    return [(place.end, place.end, raw)], "sent twice"


# Framing.


@mutator("payload.cut", "payload", framing=True)
def _cut(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Bytes of a state left out."""
    if place.size == 0:
        return None
    size = min(place.size, source.choice((1, 2, 4, place.size)))
    at = place.offset + source.integer(0, place.size - size)
    return [(at, at + size, b"")], f"{size} bytes from byte {at - place.offset} left out"


@mutator("payload.inserted", "payload", framing=True)
def _inserted(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Bytes put into a state."""
    new = source.data(source.integer(1, 8))
    at = place.offset + source.integer(0, place.size)
    return [(at, at, new)], f"{new.hex()} put in at byte {at - place.offset}"


@mutator("payload.repeated", "payload", framing=True)
def _repeated(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Bytes of a state that come twice."""
    if place.size == 0:
        return None
    size = min(place.size, source.integer(1, 64))
    at = place.offset + source.integer(0, place.size - size)
    return [(at, at, subject.data[at : at + size])], f"{size} bytes from byte {at - place.offset} sent twice"


@mutator("stream.cut", "end", framing=True)
def _stream_cut(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A stream that ends early."""
    at = source.integer(0, place.end - 1)
    return [(at, len(subject.data), b"")], f"cut at {at:#x}"


@mutator("stream.appended", "end", framing=True)
def _appended(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Bytes behind the end."""
    new = source.choice((b"\0", b"\6\0\0\0\0", b"\6\xff\xff\xff\xff", b"\6\0\0\0\2{}", source.data(8)))
    return [(len(subject.data), len(subject.data), new)], f"{new.hex()} behind the end"


@mutator("header.wrong", "header", framing=True)
def _header(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another magic, or another version of the stream format."""
    new = source.choice((b"QEVM", b"QEVN", bytes((0, 0, 0, 2)), bytes((0, 0, 0, 4)), b"\0\0\0\3"))
    return [(place.offset, place.end, new)], f"{subject.raw(place).hex()} -> {new.hex()}"


@mutator("vmdesc.wrong", "vmdesc", framing=True)
def _vmdesc(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A vmdesc of another length, or with another byte in its text."""
    if source.chance(2):
        length = int.from_bytes(subject.data[place.offset + 1 : place.offset + 5], "big")
        new = source.choice((0, 1, length - 1, length + 1, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(4, "big")
        return [(place.offset + 1, place.offset + 5, new)], f"length -> {new.hex()}"
    at = source.integer(place.offset + 5, place.end - 1)
    new = source.choice((b'"', b"{", b"}", b"\0", b"\xff", b"9"))
    return [(at, at + 1, new)], f"byte {at - place.offset - 5} -> {new!r}"


@mutator("vmdesc.json", "vmdesc", framing=True)
def _vmdesc_json(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A vmdesc that says something else: values of its JSON changed, members left out or there twice."""
    start = place.offset + 5
    changed = spoilt_text(subject.data[start : place.end].decode(errors="surrogateescape"), source)
    if changed is None:
        return None
    text, words = changed
    new = text.encode(errors="surrogateescape")
    return [(start - 4, start, len(new).to_bytes(4, "big")), (start, place.end, new)], words


@mutator("command.added", "section", "end")
def _command(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A command in front of a section, of the right length or another."""
    number = source.choice((*CommandType, 12, 0xFFFF))
    size = source.choice((0, 1, 4, 8, 12, 16))
    new = bytes((Mark.COMMAND,)) + int(number).to_bytes(2, "big") + size.to_bytes(2, "big") + bytes(size)
    return [(place.offset, place.offset, new)], f"command {number!r} with {size} bytes in front"


@mutator("command.wrong", "command")
def _command_wrong(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another number or length of a command."""
    at = place.offset + source.choice((1, 3))
    new = source.choice((0, 1, 3, 7, 12, 0xFFFF)).to_bytes(2, "big")
    return [(at, at + 2, new)], f"{subject.data[at : at + 2].hex()} -> {new.hex()}"


# RAM.


@mutator("ram.flags", "ram header")
def _ram_flags(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Other flags in the header of a page."""
    before = int.from_bytes(subject.raw(place), "big")
    flag = source.choice((0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800))
    return [(place.offset, place.end, (before ^ flag).to_bytes(8, "big"))], f"flag {flag:#x} turned over"


@mutator("ram.address", "ram header")
def _ram_address(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another address of a page, inside its block or far out of it."""
    before = int.from_bytes(subject.raw(place), "big")
    flags = before & 0xFFF
    address = source.choice((0, before - flags + 4096, 1 << 30, 1 << 40, (1 << 64) - 4096)) & ~0xFFF
    after = (address | flags) & (1 << 64) - 1
    return [(place.offset, place.end, after.to_bytes(8, "big"))], f"address {before - flags:#x} -> {address:#x}"


@mutator("ram.total", "ram total")
def _ram_total(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another sum of the lengths of all blocks."""
    before = int.from_bytes(subject.raw(place), "big")
    after = source.choice((before + 4096, before - 4096, 4, (1 << 63) | 4)) & (1 << 64) - 1
    return [(place.offset, place.end, after.to_bytes(8, "big"))], f"{before:#x} -> {after:#x}"


@mutator("ram.length", "ram length")
def _ram_length(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another length of a block."""
    before = int.from_bytes(subject.raw(place), "big")
    after = source.choice((before + 4096, before - 4096, before + 1, 0, 1 << 63, (1 << 64) - 1)) & (1 << 64) - 1
    return [(place.offset, place.end, after.to_bytes(8, "big"))], f"{before:#x} -> {after:#x}"


@mutator("ram.name", "ram name")
def _ram_name(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """Another name of a block."""
    old = subject.raw(place)[1:]
    new = source.choice((old[:-1] + b"?", b"", old + b"x", b"\xff" + old[1:]))[:255]
    return [(place.offset, place.end, bytes((len(new),)) + new)], f"{old!r} -> {new!r}"


@mutator("ram.block", "ram block")
def _ram_block(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A block of the list left out, or sent twice."""
    if source.chance(2):
        return [(place.offset, place.end, b"")], "left out"
    return [(place.end, place.end, subject.raw(place))], "sent twice"


@mutator("ram.record", "ram pages", "ram block")
def _ram_record(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """A record put in: of an unknown kind, of pages without a block, a second list of blocks, the end."""
    new = source.choice(
        (
            (0x10).to_bytes(8, "big"),
            (0x22).to_bytes(8, "big") + b"\0",
            (0x02).to_bytes(8, "big") + b"\6fuzzed\0",
            (0x28).to_bytes(8, "big") + bytes(16),
            (0x1004).to_bytes(8, "big"),
            (0x60).to_bytes(8, "big") + b"\1\0\4" + bytes(4),
            (0x120).to_bytes(8, "big") + b"\0\0\0\4" + bytes(4),
            (0x400).to_bytes(8, "big"),
            (0x80).to_bytes(8, "big"),
        )
    )
    return [(place.offset, place.offset, new)], f"record {new[:8].hex()} put in front"


@mutator("ram.fill", "ram pages")
def _ram_fill(subject: Subject, place: FieldPlace, source: ChoiceSource) -> tuple[list[Edit], str] | None:
    """The last byte of a run of pages: of zero pages the byte that each is filled with."""
    value = source.choice((1, 0x7F, 0xFF))
    return [(place.end - 1, place.end, bytes((value,)))], f"last byte -> {value}"
