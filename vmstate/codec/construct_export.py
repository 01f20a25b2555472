"""The layout of a description as a declaration of the construct library.

For those who work with construct, and a second reading of the vocabulary that shares no code with the codec: the tests
hold one against the other. A struct is parsed to a `Container` by attribute, and built from one. What is not a value is
left out: residue (bytes QEMU accepts and would write otherwise) is built as QEMU writes it.

construct is slow to import: this module is imported when a declaration is asked for, and by nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import construct as cs

from vmstate.codec.elements import swapped
from vmstate.errors import DescriptionError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Pointers, VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Expr, Fact, refuted

VERSION_KEY = "_version_id"
"""In the Container of a subsection: the version it was read at, where that is not its description's own."""

EMPTY_LIMIT = 1024
"""The most elements of arrays that take no bytes, in one parse."""

_SENT = "_subsections"
_EMPTY_SEEN = "_empty_elements"
# What construct puts into a context beside the members of a struct.
_RESERVED = {
    "_",
    "_params",
    "_root",
    "_parsing",
    "_building",
    "_sizing",
    "_subcons",
    "_io",
    "_index",
    _SENT,
    VERSION_KEY,
}

_NULL = 0x30
_FOLLOWS = 0x31

Versions = tuple[int | None, ...]
"""The version of each struct around a place, the innermost first; None for a context that is no struct."""


def as_construct(vmsd: VMStateDescription, version_id: int, facts: Mapping[str, Any]) -> Any:
    """The declaration of a description at a version.

    Raises `DescriptionError` where a fact is asked for that is not in `facts`, has no default and is not derived.
    """
    if vmsd.unknown is not None:
        raise DescriptionError(f"{vmsd.name!r} has no layout: {vmsd.unknown}")
    if not vmsd.minimum_version_id <= version_id <= vmsd.version_id:
        raise DescriptionError(f"{vmsd.name!r} has no version {version_id}")
    return _Layout(facts).struct(vmsd, version_id, ())


class _Scope:
    """What an expression is evaluated in: a context of construct."""

    def __init__(self, context: Any, versions: Versions, facts: Mapping[str, Any]) -> None:
        # An element of a tree is parsed in a context of its own, which no struct stands for.
        while versions[0] is None:
            context, versions = context["_"], versions[1:]
        self._context = context
        self._versions = versions
        self._facts = facts
        self.version_id = versions[0]

    @property
    def outer(self) -> _Scope | None:
        if len(self._versions) == 1:
            return None
        return _Scope(self._context["_"], self._versions[1:], self._facts)

    def value(self, name: str) -> Any:
        return UNKNOWN if name in _RESERVED else self._context.get(name, UNKNOWN)

    def fact(self, fact: Fact) -> Any:
        if fact.name in self._facts:
            return self._facts[fact.name]
        value = UNKNOWN if fact.derived is None else fact.derived.evaluate(self)
        if value is None or value is UNKNOWN:
            value = fact.default
        if value is UNKNOWN:
            raise cs.ExplicitError(f"the fact {fact.name!r} is not known")
        return value


class _Layout:
    """The declarations under given facts."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts

    def struct(self, vmsd: VMStateDescription, version_id: int, around: Versions) -> Any:
        """The fields and subsections of a description."""
        versions = (version_id, *around)
        names = list(_member_names(vmsd))
        members = [
            self.member(field, name, version_id, versions) for field, name in zip(vmsd.fields, names, strict=True)
        ]
        return _State(cs.Struct(*members, _SENT / _Subsections(self, vmsd, versions)), vmsd, names)

    def member(self, field: Field, name: str | None, version_id: int, versions: Versions) -> Any:
        """A field as a member of a Struct."""
        if name in _RESERVED:
            raise DescriptionError(f"construct keeps the name {name!r} for itself")
        if isinstance(field.type, t.Host):
            return name / _HostMember(field.type.default)
        self.require_facts(field)
        if field.exists is None and field.version > version_id:
            return cs.Pass if name is None else name / cs.Computed(None)
        body = self.field(field, versions)
        if field.exists is not None:
            body = cs.If(self.condition(field.exists, versions), body)
        return body if name is None else name / body

    def require_facts(self, field: Field) -> None:
        """Refuse a field that depends on a fact nobody has told."""
        asked = [*field.expressions(), *([] if field.nulls is None else [field.nulls])]
        facts = [node for expr in asked for node in expr.walk() if isinstance(node, Fact)]
        for fact in facts:
            if fact.name not in self.facts and fact.derived is None and fact.default is UNKNOWN:
                raise DescriptionError(
                    f"{field.name!r} depends on the fact {fact.name!r}, which is not given",
                    expected=f"one of {list(fact.candidates)}",
                )

    def field(self, field: Field, versions: Versions) -> Any:
        """A field that is there: one element, or an array."""
        if isinstance(field.type, t.Validate):
            condition = field.type.condition
            return cs.Check(lambda context: not refuted(self.evaluate(condition, context, versions)))
        if isinstance(field.type, t.Unused):
            factors = (field.type.size, 1 if field.count is None else field.count)
            numbers = [self.number(factor, versions) for factor in factors]
            return cs.Padding(lambda context: math.prod(cs.evaluate(number, context) for number in numbers))
        element = self.element(field.type, versions)
        if field.count is None:
            return element
        element = _LimitedIfEmpty(self.pointer(field, element, versions))
        if field.dims is None:
            return cs.Array(self.number(field.count, versions), element)
        for dimension in reversed(field.dims):
            element = cs.Array(dimension, element)
        return element

    def pointer(self, field: Field, element: Any, versions: Versions) -> Any:
        """An element behind a pointer that can be NULL, or else the element itself."""
        if field.pointers is Pointers.ALL_MARKED:
            return _Marked(element)
        if field.pointers is Pointers.NULL_MARKER:
            assert field.nulls is not None
            nulls = field.nulls
            return _NullOr(element, lambda context: self.evaluate(nulls, context, versions))
        return element

    def element(self, kind: t.WireType, versions: Versions) -> Any:
        """One element of a wire type."""
        match kind:
            case t.Scalar():
                return self.scalar(kind, versions)
            case t.Nullptr():
                return _NOTHING
            case t.Text():
                return _text(cs.Bytes(self.number(kind.size, versions)))
            case t.Buffer():
                return cs.Bytes(self.number(kind.size, versions))
            case t.Bitmap():
                return _bitmap(self.number(kind.bits, versions))
            case t.CountedString():
                return _text(cs.Prefixed(cs.Byte, cs.GreedyBytes))
            case t.Chunks():
                return _Chunks(kind.limit)
            case t.QList():
                return _MarkedList(self.nested(kind, versions))
            case t.Struct():
                return self.nested(kind, versions)
            case t.GTree():
                return self.tree(kind, versions)
            case t.KeyedList():
                key = kind.vmsd.fields[0].attribute
                entry = self.struct(kind.vmsd, kind.vmsd.version_id, versions)
                return _KeyedList(entry, self.element(kind.key, versions), key, kind)
            case t.Later():
                return self.element(kind.resolve(), versions)
            case t.Choice():
                return self.choice(kind, versions)
        raise DescriptionError(f"construct has no word for {type(kind).__name__}")

    def scalar(self, kind: t.Scalar, versions: Versions) -> Any:
        if kind.code == "?":
            return cs.Flag
        if kind.order == "words":
            return cs.ExprAdapter(
                cs.Int64ub, lambda value, context: swapped(value), lambda value, context: swapped(value)
            )
        if kind.order not in t.ORDERS:
            return _integer(kind.order, kind.code)
        orders = {"little": _integer("<", kind.code), "big": _integer(">", kind.code)}
        return cs.Switch(self.selector(t.ORDERS[kind.order], versions), orders, default=cs.Error)

    def nested(self, kind: t.Struct, versions: Versions) -> Any:
        version_id = kind.vmsd.version_id if kind.version is None else kind.version
        return self.struct(kind.vmsd, version_id, versions)

    def tree(self, kind: t.GTree, versions: Versions) -> Any:
        inside = (None, *versions)
        key = cs.Int64ub if kind.key is None else self.struct(kind.key, kind.version, inside)
        pair = cs.Sequence(key, self.struct(kind.value, kind.version, inside))
        return _CountedList(_MarkedList(pair))

    def choice(self, kind: t.Choice, versions: Versions) -> Any:
        cases = {value: self.element(case, versions) for value, case in kind.cases}
        return cs.Switch(self.selector(kind.on, versions), cases, default=cs.Error)

    def evaluate(self, expr: Expr, context: Any, versions: Versions) -> Any:
        """The value of an expression in a context; what cannot be evaluated is an error of construct."""
        try:
            return expr.evaluate(_Scope(context, versions, self.facts))
        except VMStateError as error:
            raise cs.ExplicitError(str(error)) from None

    def condition(self, expr: Expr, versions: Versions) -> Callable[[Any], bool]:
        def condition(context: Any) -> bool:
            value = self.evaluate(expr, context, versions)
            if value is UNKNOWN:
                raise cs.ExplicitError(f"whether {expr} holds is not known")
            return bool(value)

        return condition

    def selector(self, expr: Expr, versions: Versions) -> Callable[[Any], Any]:
        def selector(context: Any) -> Any:
            value = self.evaluate(expr, context, versions)
            if value.__hash__ is None:
                raise cs.ExplicitError(f"{expr} selects nothing")
            return value

        return selector

    def number(self, value: int | Expr, versions: Versions) -> int | Callable[[Any], int]:
        """A count or size: as it is, or as a function of the context."""
        if not isinstance(value, Expr):
            return value
        expr = value

        def number(context: Any) -> int:
            found = self.evaluate(expr, context, versions)
            if not isinstance(found, int) or not 0 <= found < 1 << 31:
                raise cs.RangeError(f"{expr} is no count or size: {found!r}")
            return found

        return number


def _member_names(vmsd: VMStateDescription) -> Iterator[str | None]:
    """The name of each field as a member: its attribute, numbered from the second on that has the same."""
    seen: dict[str, int] = {}
    for field in vmsd.fields:
        if not field.in_state:
            yield None
            continue
        times = seen[field.attribute] = seen.get(field.attribute, 0) + 1
        yield field.attribute if times == 1 else f"{field.attribute} #{times}"


class _HostMember(cs.Construct):  # type: ignore[misc]
    """A member of the device that is not on the wire: parsed as its default, built from nothing."""

    def __init__(self, default: Any) -> None:
        super().__init__()
        self.default = default
        self.flagbuildnone = True

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return self.default

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return obj


class _State(cs.Adapter):  # type: ignore[misc]
    """A Struct whose subsections become members by their attributes, and whose repeated names become lists."""

    def __init__(self, subcon: Any, vmsd: VMStateDescription, names: list[str | None]) -> None:
        super().__init__(subcon)
        members = [(field, name) for field, name in zip(vmsd.fields, names, strict=True) if name is not None]
        attributes = [field.attribute for field, _ in members]
        self.gathered = [
            (field.attribute, name, _spread(vmsd, field))
            for field, name in members
            if attributes.count(field.attribute) > 1
        ]

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        obj.update(obj.pop(_SENT))
        gathered: dict[str, list[Any]] = {}
        for attribute, name, count in self.gathered:
            value = obj.pop(name)
            gathered.setdefault(attribute, []).extend([value] if count is None else value)
        obj.update(gathered)
        return obj

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        members = {**obj, _SENT: obj}
        taken: dict[str, int] = {}
        for attribute, name, count in self.gathered:
            start = taken.get(attribute, 0)
            taken[attribute] = stop = start + (1 if count is None else count)
            part = obj[attribute][start:stop]
            members[name] = part if count is not None else part[0]
        for attribute, used in taken.items():
            if used != len(obj[attribute]):
                raise cs.RangeError(f"{attribute!r} has {len(obj[attribute])} elements, not {used}", path=path)
        return members


def _spread(vmsd: VMStateDescription, field: Field) -> int | None:
    """How many elements of the list of a repeated name are this field's, if not one."""
    if field.exists is not None or field.version > vmsd.minimum_version_id or field.dims is not None:
        return None
    return field.count if isinstance(field.count, int) else None


class _Subsections(cs.Construct):  # type: ignore[misc]
    """What follows the fields: a header each (0x05, u8 length, name, be32 version) and its fields, in any order."""

    def __init__(self, layout: _Layout, vmsd: VMStateDescription, versions: Versions) -> None:
        super().__init__()
        self.layout = layout
        self.vmsd = vmsd
        self.versions = versions
        self.known = {sub.vmsd.wire_name: sub for sub in reversed(vmsd.subsections)}
        self.bodies: dict[tuple[str, int], Any] = {}
        for sub in vmsd.subsections:
            if sub.attribute in _RESERVED:
                raise DescriptionError(f"construct keeps the name {sub.attribute!r} for itself")
            self.body(sub.vmsd, sub.vmsd.version_id)

    def body(self, vmsd: VMStateDescription, version_id: int) -> Any:
        if (vmsd.name, version_id) not in self.bodies:
            self.bodies[vmsd.name, version_id] = self.layout.struct(vmsd, version_id, self.versions)
        return self.bodies[vmsd.name, version_id]

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        states = {sub.attribute: None for sub in self.vmsd.subsections}
        context.update(states)
        while (name := self.next_name(stream)) is not None:
            # Names are compared as C strings.
            sub = self.known.get(name.split(b"\0")[0])
            if sub is None:
                raise cs.MappingError(f"{self.vmsd.name!r} has no subsection {name!r}", path=path)
            cs.stream_read(stream, 2 + len(name), path)
            # QEMU keeps the version in eight bits.
            version_id = cs.Int32ub._parsereport(stream, context, path) & 0xFF
            if not sub.vmsd.minimum_version_id <= version_id <= sub.vmsd.version_id:
                raise cs.ValidationError(f"{sub.vmsd.name!r} has no version {version_id}", path=path)
            state = self.body(sub.vmsd, version_id)._parsereport(stream, context, path)
            if version_id != sub.vmsd.version_id:
                state[VERSION_KEY] = version_id
            states[sub.attribute] = context[sub.attribute] = state
        return states

    def next_name(self, stream: Any) -> bytes | None:
        """The name of the subsection of this struct that stands here, if one does. Reads nothing."""
        start = stream.tell()
        head = stream.read(2)
        name: bytes = stream.read(head[1]) if len(head) == 2 else b""
        stream.seek(start)
        wire_name = self.vmsd.wire_name
        is_one = len(head) == 2 and head[0] == 0x05 and len(name) == head[1]
        return name if is_one and len(name) > len(wire_name) and name.startswith(wire_name) else None

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for sub in self.vmsd.subsections:
            state = obj.get(sub.attribute)
            if state is None:
                continue
            version_id = state.get(VERSION_KEY, sub.vmsd.version_id)
            name = sub.vmsd.wire_name
            header = bytes((0x05, len(name))) + name + version_id.to_bytes(4, "big")
            cs.stream_write(stream, header, len(header), path)
            self.body(sub.vmsd, version_id)._build(state, stream, context, path)
        return obj


class _LimitedIfEmpty(cs.Subconstruct):  # type: ignore[misc]
    """An element of an array. How many may take no bytes has a limit: nothing on the wire bounds their number."""

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        start = stream.tell()
        obj = self.subcon._parsereport(stream, context, path)
        if stream.tell() == start:
            seen = context["_params"][_EMPTY_SEEN] = context["_params"].get(_EMPTY_SEEN, 0) + 1
            if seen > EMPTY_LIMIT:
                raise cs.RangeError(f"more than {EMPTY_LIMIT} elements that take no bytes", path=path)
        return obj


class _Marked(cs.Subconstruct):  # type: ignore[misc]
    """A pointer of which a marker says whether it is NULL, and what it points to."""

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        marker = cs.Byte._parsereport(stream, context, path)
        if marker not in (_NULL, _FOLLOWS):
            raise cs.ValidationError(f"{marker:#04x} marks no pointer", path=path)
        return None if marker == _NULL else self.subcon._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        cs.Byte._build(_NULL if obj is None else _FOLLOWS, stream, context, path)
        return None if obj is None else self.subcon._build(obj, stream, context, path)


class _NullOr(cs.Subconstruct):  # type: ignore[misc]
    """What a pointer points to, with no marker; or the marker alone, where the pointer is NULL.

    `nulls` yields the fact: "never", "marked" (a marker is taken for one), or the indices of the NULLs.
    """

    def __init__(self, subcon: Any, nulls: Callable[[Any], Any]) -> None:
        super().__init__(subcon)
        self.nulls = nulls

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        nulls = self.nulls(context)
        if isinstance(nulls, str):
            marked = nulls == t.NULLS_MARKED and _PEEK._parsereport(stream, context, path) == _NULL
        else:
            marked = context["_index"] in nulls
        return (_NOTHING if marked else self.subcon)._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return (_NOTHING if obj is None else self.subcon)._build(obj, stream, context, path)


class _NullMarker(cs.Adapter):  # type: ignore[misc]
    """The marker of a NULL: the value is None."""

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return None

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if obj is not None:
            raise cs.ValidationError("the pointer is NULL in this description", path=path)
        return bytes((_NULL,))


_NOTHING = _NullMarker(cs.Const(bytes((_NULL,))))
_PEEK = cs.Peek(cs.Byte)


def _integer(order: str, code: str) -> Any:
    # construct writes L where a size of four bytes is meant.
    return cs.FormatField(order, {"i": "l", "I": "L"}.get(code, code))


def _text(raw: Any) -> Any:
    return cs.ExprAdapter(
        raw,
        lambda obj, context: obj.decode("utf-8", "surrogateescape"),
        lambda obj, context: obj.encode("utf-8", "surrogateescape"),
    )


def _bitmap(bits: int | Callable[[Any], int]) -> Any:
    """64-bit words, each big-endian, bit 0 the lowest of the first; the value is an int."""

    def words(context: Any) -> int:
        count: int = cs.evaluate(bits, context)
        return -(-count // 64)

    def join(found: list[int], context: Any) -> int:
        return int.from_bytes(b"".join(word.to_bytes(8, "little") for word in found), "little")

    def split(value: int, context: Any) -> list[int]:
        raw = value.to_bytes(words(context) * 8, "little")
        return [int.from_bytes(raw[start : start + 8], "little") for start in range(0, len(raw), 8)]

    return cs.ExprAdapter(cs.Array(words, cs.Int64ub), join, split)


class _Chunks(cs.Adapter):  # type: ignore[misc]
    """Pieces of bytes, each behind its length (be32), ended by a length of zero."""

    def __init__(self, limit: int) -> None:
        piece = cs.ExprValidator(cs.Prefixed(cs.Int32ub, cs.GreedyBytes), lambda obj, context: len(obj) <= limit)
        super().__init__(cs.RepeatUntil(lambda obj, pieces, context: obj == b"", piece))

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return obj[:-1]

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if b"" in obj:
            raise cs.ValidationError("a piece of no bytes would end the pieces", path=path)
        return [*obj, b""]


class _MarkedList(cs.Subconstruct):  # type: ignore[misc]
    """Elements, each behind a byte that is not 0, ended by a byte 0."""

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        elements = cs.ListContainer()
        while cs.Byte._parsereport(stream, context, path):
            elements.append(self.subcon._parsereport(stream, context, path))
        return elements

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for element in obj:
            cs.Byte._build(1, stream, context, path)
            self.subcon._build(element, stream, context, path)
        cs.Byte._build(0, stream, context, path)
        return obj


class _CountedList(cs.Subconstruct):  # type: ignore[misc]
    """A list behind the number of its elements (be32)."""

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        count = cs.Int32ub._parsereport(stream, context, path)
        elements = self.subcon._parsereport(stream, context, path)
        if len(elements) != count:
            raise cs.RangeError(f"{len(elements)} elements, where {count} were told", path=path)
        return elements

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        cs.Int32ub._build(len(obj), stream, context, path)
        return self.subcon._build(obj, stream, context, path)


class _KeyedList(cs.Subconstruct):  # type: ignore[misc]
    """Structs that begin with a key, ended by a key without a struct."""

    def __init__(self, subcon: Any, key: Any, attribute: str, kind: t.KeyedList) -> None:
        super().__init__(subcon)
        self.key = key
        self.attribute = attribute
        self.kind = kind

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        elements = cs.ListContainer()
        start = stream.tell()
        while not self.kind.is_end(self.key._parsereport(stream, context, path)):
            stream.seek(start)
            elements.append(self.subcon._parsereport(stream, context, path))
            start = stream.tell()
        return elements

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for element in obj:
            if self.kind.is_end(element[self.attribute]):
                raise cs.ValidationError(f"the key {element[self.attribute]} would end the list", path=path)
            self.subcon._build(element, stream, context, path)
        self.key._build(self.kind.end, stream, context, path)
        return obj
