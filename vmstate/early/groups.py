"""Groups: the part of a device's description that belongs to an item, or to several, as a description of its own.

A group is derived from the device's own description and never written by hand. It has the structs that lead to the
item's fields, without their other fields; a struct adds no bytes, so a group's bytes are those of its fields, in the
order of the section. What a field depends on and the group does not have is put in front of it:

NAME.present   bool: whether the field, or the struct that is a subsection's in the section, is there
NAME.count     be16: the number of elements of an array whose count another item decides
NAME.size      be32: the number of bytes of a buffer whose size another item decides
NAME.changed   be16: how many elements follow, each behind its number (be16), of an array sent by changed elements

So a group can be read without the state that it changes. Arrays are sent by changed elements where they hold structs
or at least 128 numbers, and buffers from 128 bytes on by changed bytes; except, among the items that are sent always,
arrays whose count is that of the queues in use.
A subsection is the item's that has its whole path; its presence, name and version are on the wire as in the section.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeGuard

from vmstate.codec.records import Records
from vmstate.early.items import ItemTable
from vmstate.errors import DecodeError, DescriptionError
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.declare import default_value
from vmstate.vmsd.description import Field, Subsection, VMStateDescription
from vmstate.vmsd.expr import Expr, Fact, this
from vmstate.vmsd.path import Steps
from vmstate.vmsd.state import META, Meta, State, VMState, ensure_meta, facts_of, version_of

BY_ELEMENT = 128
"""From how many numbers on an array, from how many bytes on a buffer is sent by changed elements."""

PRESENT, COUNT, SIZE, CHANGED = "present", "count", "size", "changed"
INDEX, ELEMENT = "index", "element"

Difference = tuple[Steps, Any, Any]
"""Where two states differ: the steps to it, the value in either; None where one does not have it."""


class GroupPart(Data):
    """A field of a group: how its value is taken from a device's state and put into it."""

    attribute: str

    def take(self, state: Any, base: Any, into: State) -> None:
        """Write the value, and what stands in front of it, into the state of the group.

        `base` is the early state's struct, or None where the early state does not have it.
        """
        raise NotImplementedError

    def put(self, values: State, state: Any) -> None:
        """Set the value in a device's state."""
        raise NotImplementedError

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        """Where the values of two structs differ; either can be None."""
        raise NotImplementedError


def _element_or_none(known: Any, number: int) -> Any:
    return None if known is None or number >= len(known) else known[number]


def _attribute_or_none(state: Any, attribute: str) -> Any:
    return None if state is None else getattr(state, attribute)


class Whole(GroupPart):
    """A value that is taken and put as it is. `prefix` names what stands in front of it, if anything does."""

    prefix: str | None = None

    def take(self, state: Any, base: Any, into: State) -> None:
        value = getattr(state, self.attribute)
        if self.prefix == PRESENT:
            into[f"{self.attribute}.{PRESENT}"] = value is not None
        elif self.prefix is not None:
            into[f"{self.attribute}.{self.prefix}"] = len(value)
        into[self.attribute] = value

    def put(self, values: State, state: Any) -> None:
        setattr(state, self.attribute, values[self.attribute])

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        before, after = _attribute_or_none(early, self.attribute), _attribute_or_none(final, self.attribute)
        if before != after:
            yield (self.attribute,), before, after


class Inner(GroupPart):
    """A struct of which the group has a part. `make` makes the whole one where a state does not have it yet.

    `prefix` is PRESENT where it is another item's whether the struct is there at all.
    """

    parts: tuple[GroupPart, ...]
    make: Callable[[], Any]
    prefix: str | None = None

    def take(self, state: Any, base: Any, into: State) -> None:
        value = getattr(state, self.attribute)
        if self.prefix is not None:
            into[f"{self.attribute}.{PRESENT}"] = value is not None
        into[self.attribute] = (
            None if value is None else self.take_parts(value, _attribute_or_none(base, self.attribute))
        )

    def take_parts(self, state: Any, base: Any) -> State:
        """The state of the group's part of a struct."""
        values = State()
        for part in self.parts:
            part.take(state, base, values)
        return values

    def put(self, values: State, state: Any) -> None:
        inner = values[self.attribute]
        if inner is None:
            return
        struct = getattr(state, self.attribute)
        if struct is None:
            struct = self.make()
            setattr(state, self.attribute, struct)
        for part in self.parts:
            part.put(inner, struct)

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        before, after = _attribute_or_none(early, self.attribute), _attribute_or_none(final, self.attribute)
        for steps, was, now in parts_differ(self.parts, before, after):
            yield (self.attribute, *steps), was, now


class OwnSubsection(Inner):
    """A subsection, which is the group's own: it comes and goes, and has a version."""

    def take(self, state: Any, base: Any, into: State) -> None:
        super().take(state, base, into)
        version = None if into[self.attribute] is None else version_of(getattr(state, self.attribute))
        if version is not None:
            ensure_meta(into[self.attribute]).version_id = version

    def put(self, values: State, state: Any) -> None:
        if values[self.attribute] is None:
            if getattr(state, self.attribute) is not None:
                setattr(state, self.attribute, None)
            return
        super().put(values, state)
        subsection = getattr(state, self.attribute)
        version = version_of(values[self.attribute])
        if version != version_of(subsection):
            ensure_meta(subsection).version_id = version

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        before, after = _attribute_or_none(early, self.attribute), _attribute_or_none(final, self.attribute)
        if (before is None) != (after is None):
            yield (self.attribute,), before, after
            return
        if before is not None and version_of(before) != version_of(after):
            yield (self.attribute, "version_id"), version_of(before), version_of(after)
        yield from super().differences(early, final)


class Elements(GroupPart):
    """An array, element by element. `parts` are those of an element that is a struct, or None for a number.

    `counted` is whether the number of elements stands in front; `sparse`, whether only changed elements are sent;
    `fresh`, whether the elements are new ones, and not those that are there with other values.
    """

    parts: tuple[GroupPart, ...] | None
    make: Callable[[], Any]
    counted: bool
    sparse: bool
    fresh: bool = False

    def take(self, state: Any, base: Any, into: State) -> None:
        value = getattr(state, self.attribute)
        if self.counted:
            into[f"{self.attribute}.{COUNT}"] = len(value)
        if not self.sparse:
            into[self.attribute] = [self._element(element, None) for element in value]
            return
        known = _attribute_or_none(base, self.attribute)
        changed = [
            State({INDEX: number, ELEMENT: self._element(value[number], _element_or_none(known, number))})
            for number in self._changed(known, value)
        ]
        into[f"{self.attribute}.{CHANGED}"] = len(changed)
        into[self.attribute] = changed

    def _element(self, element: Any, base: Any) -> Any:
        if self.parts is None:
            return element
        values = State()
        for part in self.parts:
            part.take(element, base, values)
        return values

    def _changed(self, known: Any, value: Any) -> list[int]:
        """The numbers of the elements that are not as they were, or not as a new one is."""
        if known is None:
            fresh = self.make()
            return [number for number, element in enumerate(value) if self._differ(fresh, element)]
        behind = range(len(known), len(value))
        return [*(n for n in differing(known, value) if self._differ(known[n], value[n])), *behind]

    def _differ(self, early: Any, final: Any) -> bool:
        if self.parts is None:
            return bool(early != final)
        return any(True for _ in parts_differ(self.parts, early, final))

    def put(self, values: State, state: Any) -> None:
        elements = [] if self.fresh else getattr(state, self.attribute)
        if self.fresh or (self.parts is None and not isinstance(elements, Records)):
            elements = list(elements)
            setattr(state, self.attribute, elements)
        sent = values[self.attribute]
        wanted = values[f"{self.attribute}.{COUNT}"] if self.counted else len(sent) if self.fresh else len(elements)
        del elements[wanted:]
        while len(elements) < wanted:
            elements.append(self.make())
        numbered = ((element[INDEX], element[ELEMENT]) for element in sent) if self.sparse else enumerate(sent)
        for number, element in numbered:
            if number >= len(elements):
                raise DecodeError(
                    "no such element",
                    path=self.attribute,
                    expected=f"a number below {len(elements)}",
                    found=str(number),
                )
            if self.parts is None:
                elements[number] = element
                continue
            for part in self.parts:
                part.put(element, elements[number])

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        before, after = _attribute_or_none(early, self.attribute), _attribute_or_none(final, self.attribute)
        if before is None or after is None:
            if before is not after:
                yield (self.attribute,), before, after
            return
        for number in differing(before, after):
            if self.parts is None:
                yield (self.attribute, number), before[number], after[number]
                continue
            for steps, was, now in parts_differ(self.parts, before[number], after[number]):
                yield (self.attribute, number, *steps), was, now
        if self.counted or self.fresh:
            for number in range(len(after), len(before)):
                yield (self.attribute, number), before[number], None
            for number in range(len(before), len(after)):
                yield (self.attribute, number), None, after[number]


class Patched(GroupPart):
    """A buffer of `size` bytes, of which those that changed are sent; against zeros where there was none."""

    size: int

    def take(self, state: Any, base: Any, into: State) -> None:
        value = getattr(state, self.attribute)
        if value is None:
            into[f"{self.attribute}.{CHANGED}"] = into[self.attribute] = None
            return
        known = _attribute_or_none(base, self.attribute) or bytes(self.size)
        changed = [State({INDEX: place, ELEMENT: value[place]}) for place in differing(known, value)]
        into[f"{self.attribute}.{CHANGED}"] = len(changed)
        into[self.attribute] = changed

    def put(self, values: State, state: Any) -> None:
        sent = values[self.attribute]
        if sent is None:
            setattr(state, self.attribute, None)
            return
        patched = bytearray(getattr(state, self.attribute) or bytes(self.size))
        for patch in sent:
            if patch[INDEX] >= len(patched):
                raise DecodeError(
                    "no such byte", path=self.attribute, expected=f"below {len(patched)}", found=str(patch[INDEX])
                )
            patched[patch[INDEX]] = patch[ELEMENT]
        setattr(state, self.attribute, bytes(patched))

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        before, after = _attribute_or_none(early, self.attribute), _attribute_or_none(final, self.attribute)
        if before != after:
            yield (self.attribute,), before, after


def parts_differ(parts: Sequence[GroupPart], early: Any, final: Any) -> Iterator[Difference]:
    """Where two structs differ, by the parts that a group has of them. Either can be None."""
    if early is final:
        return
    for part in parts:
        yield from part.differences(early, final)


def differing(before: Any, after: Any) -> list[int]:
    """The numbers of the elements that differ, as far as both arrays go; bytes are compared where there are bytes."""
    if isinstance(before, Records) and isinstance(after, Records):
        return before.differing(after)
    if before is after or (isinstance(before, bytes) and before == after):
        return []
    return [number for number, (was, now) in enumerate(zip(before, after, strict=False)) if was != now]


Signature = Callable[[Any], Any]
"""A struct's values as tuples, and its untouched arrays as their bytes: equal only where its bytes are equal."""


def signature_of(parts: Sequence[GroupPart]) -> Signature:
    """The signature of structs with these parts. What is not sure to be equal gets one that is equal to nothing."""
    names = [part.attribute for part in parts if isinstance(part, (Whole, Patched))]
    get = attrgetter(META, *names)
    inner = [(attrgetter(part.attribute), signature_of(part.parts)) for part in parts if isinstance(part, Inner)]
    arrays = [
        (attrgetter(part.attribute), None if part.parts is None else signature_of(part.parts))
        for part in parts
        if isinstance(part, Elements)
    ]

    def sign(state: Any) -> Any:
        if state is None:
            return None
        values = get(state)
        fixed = values if names else (values,)
        if any(isinstance(value, _MUTABLE) for value in fixed):
            fixed = tuple(_hashable(value) for value in fixed)
        return (
            fixed,
            [signature(read(state)) for read, signature in inner],
            [_array_signature(read(state), signature) for read, signature in arrays],
        )

    return sign


_MUTABLE = (list, dict, Meta, VMState, Records, bytearray)


def _hashable(value: Any) -> Any:
    """A value that cannot change under the signature; of what a state carries beside its values, what is written."""
    if not isinstance(value, _MUTABLE):
        return value
    if isinstance(value, Meta):
        beside = (value.version_id, tuple(value.residue.items()), value.subsections)
        return None if beside == (None, (), None) else beside
    if isinstance(value, list) and not any(isinstance(element, _MUTABLE) for element in value):
        return tuple(value)
    return object()


def _array_signature(value: Any, element_signature: Signature | None) -> Any:
    if isinstance(value, Records):
        return object() if value.raw is None else value.raw
    if value is None:
        return None
    return tuple(value) if element_signature is None else [element_signature(element) for element in value]


class Group(Data):
    """A part of a device's description: the derived description, and how its state is taken and put."""

    vmsd: VMStateDescription
    parts: tuple[GroupPart, ...]

    def take(self, state: Any, base: Any) -> State:
        """The group's state: of `state`, against the early state `base`."""
        values = State()
        for part in self.parts:
            part.take(state, base, values)
        return values

    def put(self, values: State, state: Any) -> None:
        """Set what a group's state says in a device's state."""
        for part in self.parts:
            part.put(values, state)

    def differences(self, early: Any, final: Any) -> Iterator[Difference]:
        """Where two states of the device differ, within the group."""
        return parts_differ(self.parts, early, final)

    @cached_property
    def sign(self) -> Signature:
        """What makes a device's signature."""
        return signature_of(self.parts)

    def is_same(self, early: Any, final: Any) -> bool:
        """Whether two states of the device are the same, within the group."""
        return next(self.differences(early, final), None) is None


class _Derivation:
    """One derivation: whose items, under which facts."""

    def __init__(self, table: ItemTable, names: frozenset[str], facts: Mapping[str, Any], *, dense: bool) -> None:
        self.table = table
        self.names = names
        self.facts = facts
        self.dense = dense

    def is_ours(self, path: str) -> bool:
        item = self.table.owner(path)
        return item is not None and item.name in self.names

    def concerns(self, path: str) -> bool:
        """Whether anything at or inside a path is of these items."""
        return self.is_ours(path) or not self.names.isdisjoint(self.table.inside(path))

    def struct(self, vmsd: VMStateDescription, path: str) -> tuple[VMStateDescription, tuple[GroupPart, ...]]:
        """The part of a description that is ours, and its parts."""
        fields: list[Field] = []
        parts: list[GroupPart] = []
        subsections: list[Subsection] = []
        known: set[str] = set()
        for field in vmsd.fields:
            here = f"{path}.{field.attribute}" if path else field.attribute
            if isinstance(field.type, (t.Host, t.Validate)) or not self.concerns(here):
                continue
            for inner_part in self.field(field, here, known):
                fields.append(inner_part)
                known.add(inner_part.attribute)
            part = self._part
            if part is not None:
                parts.append(part)
        for sub in vmsd.subsections:
            here = f"{path}.{sub.attribute}" if path else sub.attribute
            if not self.concerns(here):
                continue
            inner, inside = self.struct(sub.vmsd, here)
            make = _maker(sub.vmsd)
            if self.is_ours(here):
                subsections.append(Subsection(inner, sub.attribute))
                parts.append(OwnSubsection(sub.attribute, inside, make))
            elif inside:
                fields += _optional_struct(sub.attribute, inner)
                parts.append(Inner(sub.attribute, inside, make, PRESENT))
        derived = VMStateDescription(
            vmsd.name,
            fields,
            vmsd.version_id,
            vmsd.minimum_version_id,
            subsections,
            doc=vmsd.doc,
        )
        return derived, tuple(parts)

    _part: GroupPart | None = None

    def field(self, field: Field, path: str, known: set[str]) -> list[Field]:
        """The fields that stand for one field of the section; what to do with its value is left in `_part`."""
        kind = self._resolved(field.type)
        attribute = field.attribute
        exists = field.exists
        bare = {"rules": (), "err_hint": None}
        if isinstance(kind, t.Unused):
            self._part = None
            return [_changed_field(field, **bare)] if self._is_settled(field, known) else []
        if field.count is not None and field.pointers is None and field.dims is None:
            array = self._array(field, kind, path, known)
            if array is not None:
                return array
        if _is_struct(kind) and field.count is None:
            inner, inside = self.struct(kind.vmsd, path)
            prefix = None if _depends_on_known(exists, known) else PRESENT
            self._part = Inner(attribute, inside, _maker(kind.vmsd), prefix)
            if prefix is not None:
                return _optional_struct(attribute, inner)
            return [_changed_field(field, type=t.Struct("struct", inner, kind.version), **bare)]
        if (
            type(kind) is t.Buffer
            and isinstance(kind.size, int)
            and kind.size >= BY_ELEMENT
            and _depends_on_known(exists, known)
        ):
            self._part = Patched(attribute, kind.size)
            return [
                _changed_field(_counter_field(attribute, CHANGED), exists=exists),
                Field(
                    field.name,
                    t.Struct("struct", _numbered(attribute, t.UINT8)),
                    attribute,
                    count=this[f"{attribute}.{CHANGED}"],
                    exists=exists,
                ),
            ]
        if isinstance(kind, t.QList) and field.count is None and _depends_on_known(exists, known):
            inner, inside = self.struct(kind.vmsd, path)
            self._part = Elements(attribute, inside, _maker(kind.vmsd), False, False, True)
            return [_changed_field(field, type=t.QList(kind.info, inner, kind.version), **bare)]
        if not _depends_on_known(exists, known):
            self._part = Whole(attribute, PRESENT)
            return [_presence_field(attribute), _changed_field(field, exists=this[f"{attribute}.{PRESENT}"], **bare)]
        if not _depends_on_known(field.count, known):
            self._part = Whole(attribute, COUNT)
            return [_counter_field(attribute, COUNT), _changed_field(field, count=this[f"{attribute}.{COUNT}"], **bare)]
        if isinstance(kind, t.Buffer) and not _depends_on_known(kind.size, known):
            self._part = Whole(attribute, SIZE)
            size = Field(f"{attribute}.{SIZE}", t.UINT32)
            sized = t.Buffer(kind.info, this[f"{attribute}.{SIZE}"])
            return [size, _changed_field(field, type=sized, **bare)]
        self._part = Whole(attribute)
        return [_changed_field(field, type=kind, **bare)]

    def _array(self, field: Field, kind: t.WireType, path: str, known: set[str]) -> list[Field] | None:
        """An array of structs, or of many numbers; None for any other."""
        attribute = field.attribute
        constant = isinstance(field.count, int)
        if _is_struct(kind):
            inner, inside = self.struct(kind.vmsd, path)
            element: t.WireType = t.Struct("struct", inner, kind.version)
            parts: tuple[GroupPart, ...] | None = inside
            make = _maker(kind.vmsd)
        elif isinstance(kind, t.Scalar) and constant and int(field.count) >= BY_ELEMENT:  # type: ignore[arg-type]
            element, parts, make = kind, None, int
        else:
            return None
        if not _depends_on_known(field.exists, known):
            raise DescriptionError(f"{path}: an array that is there on a condition of another item")
        sparse = constant or not self.dense
        self._part = Elements(attribute, parts, make, not constant, sparse)
        fields = [] if constant else [_counter_field(attribute, COUNT)]
        if not sparse:
            return [*fields, Field(field.name, element, attribute, count=this[f"{attribute}.{COUNT}"])]
        numbered = t.Struct("struct", _numbered(attribute, element))
        changed = Field(field.name, numbered, attribute, count=this[f"{attribute}.{CHANGED}"], doc=field.doc)
        return [*fields, _counter_field(attribute, CHANGED), changed]

    def _resolved(self, kind: t.WireType) -> t.WireType:
        """The case of a choice that the facts decide; any other type as it is."""
        if isinstance(kind, t.Choice) and isinstance(kind.on, Fact) and kind.on.name in self.facts:
            for value, case in kind.cases:
                if value == self.facts[kind.on.name]:
                    return case.resolve() if isinstance(case, t.Later) else case
        return kind

    def _is_settled(self, field: Field, known: set[str]) -> bool:
        size = field.type.size if isinstance(field.type, t.Buffer) else None
        return all(_depends_on_known(expr, known) for expr in (field.exists, field.count, size))


def _numbered(attribute: str, element: t.WireType) -> VMStateDescription:
    fields = (Field(INDEX, t.UINT16), Field(ELEMENT, element))
    return VMStateDescription(f"{attribute} changed", fields, doc="An element and its number.")


def _is_struct(kind: t.WireType) -> TypeGuard[t.Struct]:
    return isinstance(kind, t.Struct) and not isinstance(kind, t.QList)


def _depends_on_known(expr: Any, known: set[str]) -> bool:
    """Whether what a field depends on is in the group, in front of it, or is a fact that no byte decides."""
    if not isinstance(expr, Expr):
        return True
    # A part of a struct that the group has need not be in the group.
    return all(ref.base_ == "this" and len(ref.names_) == 1 and ref.names_[0] in known for ref in expr.refs_)


def _changed_field(field: Field, **changes: Any) -> Field:
    given = {name: getattr(field, name) for name in Field._names if name not in ("in_state", "is_plain")}
    return Field(**given | changes)


def _counter_field(attribute: str, what: str) -> Field:
    return Field(f"{attribute}.{what}", t.UINT16)


def _presence_field(attribute: str) -> Field:
    return Field(f"{attribute}.{PRESENT}", t.BOOL)


def _optional_struct(attribute: str, vmsd: VMStateDescription) -> list[Field]:
    exists = this[f"{attribute}.{PRESENT}"]
    return [_presence_field(attribute), Field(attribute, t.Struct("struct", vmsd), exists=exists)]


def _maker(vmsd: VMStateDescription) -> Callable[[], Any]:
    """What makes a struct of a description from nothing."""
    if vmsd.state_class is not None:
        return vmsd.state_class

    def make() -> State:
        values = State()
        for field in vmsd.fields:
            if field.in_state:
                values[field.attribute] = default_value(field)
        for sub in vmsd.subsections:
            values[sub.attribute] = None
        return values

    return make


def choices_of(facts: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The facts that decide a derivation, as a key; the idstr is not among them."""
    return tuple(sorted((name, value) for name, value in facts.items() if name != "idstr" and _is_plain(value)))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, str))


def derive(
    vmsd: VMStateDescription, table: ItemTable, names: Sequence[str], name: str, state: Any, *, dense: bool = False
) -> Group:
    """The group of some items, for devices like the one that `state` is of; `name` is its description's.

    `dense`: arrays whose count is not constant are sent whole.
    """
    key = ("group", name, tuple(names), dense, choices_of(facts_of(state)), table)
    group: Group | None = vmsd.compiled.get(key)
    if group is None:
        derivation = _Derivation(table, frozenset(names), facts_of(state), dense=dense)
        derived, parts = derivation.struct(vmsd, "")
        whole = derived.replace(name=name, version_id=1, minimum_version_id=1)
        group = vmsd.compiled[key] = Group(whole, parts)
    return group


def item_groups(vmsd: VMStateDescription, table: ItemTable, state: Any) -> Mapping[str, Group]:
    """The group of each item, by its name."""
    key = ("item groups", table, choices_of(facts_of(state)))
    groups: dict[str, Group] | None = vmsd.compiled.get(key)
    if groups is None:
        groups = vmsd.compiled[key] = {
            item.name: derive(vmsd, table, (item.name,), f"{table.name}/{item.name}", state) for item in table.items
        }
    return groups
