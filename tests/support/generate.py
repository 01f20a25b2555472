"""Hypothesis strategies of descriptions from the whole vocabulary, and of states of them.

`cases()` draws a description, a version of it, the facts of a host, and a state that the version and the facts allow.
Names are numbered through, so that a reference means one field wherever it stands. The states are those that the
product builds (`vmstate.fuzz`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import reject
from hypothesis import strategies as st

import vmstate  # noqa: F401  (binds the codec)
from vmstate.codec import Records
from vmstate.codec.elements import OddList
from vmstate.errors import VMStateError
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import DrawnSource
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import Declared, description
from vmstate.vmsd.description import Field, Pointers, Subsection, VMStateDescription
from vmstate.vmsd.expr import (
    Expr,
    Fact,
    Ref,
    ceil_div,
    choose,
    fact,
    len_,
    max_,
    min_,
    not_,
    version_id,
)
from vmstate.vmsd.state import State, ensure_meta, is_state, items_of, version_of

INTEGERS = tuple(kind for kind in t.SCALARS.values() if kind is not t.BOOL)
ORDERED = tuple(
    t.Scalar(kind.info, kind.code, kind.size, order)
    for kind in (t.UINT16, t.UINT32, t.INT32, t.UINT64)
    for order in ("<", "host", "device")
)
SCALARS = (*t.SCALARS.values(), *ORDERED, t.UINT64_WORDS)
COUNTERS = (t.UINT8, t.UINT16, t.UINT32, t.INT32)
SMALL = st.integers(0, 3)


class Case:
    """A description, a version of it, the facts of a host, and a state."""

    def __init__(self, vmsd: VMStateDescription, version_id: int, facts: dict[str, Any], state: Any) -> None:
        self.vmsd = vmsd
        self.version_id = version_id
        self.facts = facts
        self.state = state

    def decode(self, data: bytes) -> Any:
        return self.vmsd.decode(data, version_id=self.version_id, facts=self.facts)

    def encode(self, state: Any) -> bytes:
        return self.vmsd.encode(state, version_id=self.version_id, facts=self.facts)

    def trace(self, data: bytes) -> Any:
        return self.vmsd.trace(data, version_id=self.version_id, facts=self.facts)

    def __repr__(self) -> str:
        told = f"version {self.version_id}, facts {self.facts}, state {self.state!r}"
        return f"Case({told})\n" + "\n".join(spelled(self.vmsd))


def spelled(vmsd: VMStateDescription, indent: int = 1) -> list[str]:
    """A description in words, for the report of a failure."""
    blank = "  " * indent
    kind = "class" if vmsd.state_class is not None else "mapping"
    lines = [f"{blank}{vmsd.name} {kind} versions {vmsd.minimum_version_id}..{vmsd.version_id}"]
    for field in vmsd.fields:
        shape = {
            name: getattr(field, name)
            for name in ("count", "dims", "version", "exists", "pointers")
            if getattr(field, name) is not None
        }
        details = {
            name: getattr(field.type, name)
            for name in type(field.type)._names
            if name not in ("info", "vmsd", "key", "value")
        }
        lines.append(f"{blank}  {field.attribute}: {type(field.type).__name__} {details} {shape}")
        for child in field.type.children():
            lines += spelled(child, indent + 2)
    for sub in vmsd.subsections:
        lines.append(f"{blank}  subsection {sub.attribute}")
        lines += spelled(sub.vmsd, indent + 2)
    return lines


@attrs.define
class _Open:
    """A struct whose fields are being drawn: what expressions can read of it."""

    integers: list[str] = attrs.Factory(list)
    buffers: list[str] = attrs.Factory(list)


class _Builder:
    """One drawing of a description and of a state of it."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.named = 0
        self.facts: dict[str, Any] = {}
        # Names whose values are not free: no count or choice may read them.
        self.bound: set[str] = set()
        # The structs around the place, the innermost first.
        self.open: list[_Open] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        return bool(self.draw(st.integers(0, one_in - 1)) == one_in - 1)

    def name(self, prefix: str = "f") -> str:
        self.named += 1
        return f"{prefix}{self.named}"

    # Expressions.

    def refs(self, what: str = "integers") -> list[tuple[str, Ref]]:
        """Everything of a kind that can be read here, with its name."""
        refs = []
        for distance, struct in enumerate(self.open):
            base = "this" if distance == 0 else ".".join(["up"] * distance)
            refs += [(name, Ref(base, (name,))) for name in getattr(struct, what)]
        refs += [(name, Ref("root", (name,))) for name in getattr(self.open[-1], what)]
        return refs

    def small(self) -> Expr | None:
        """A value from 0 to 3, if there is one to read."""
        free = [(name, ref) for name, ref in self.refs() if name not in self.bound]
        if not free:
            return None
        drawn: Expr = self.draw(st.sampled_from(free))[1]
        return drawn

    def count(self) -> int | Expr:
        """A count or size."""
        ref = self.small()
        if ref is None or self.chance(4):
            return self.draw(SMALL)
        if self.chance(6):
            return self.fact((0, 1, 2))
        return self.pick(
            ref,
            ref,
            ref,
            ref * 2,
            ref + 1,
            ceil_div(ref, 2),
            min_(ref, 2),
            max_(1, ref),
            choose(ref == 1, 2, ref),
            (ref << 1) - ref,
            ref % 2,
            ref // 2,
        )

    def fact(self, candidates: tuple[Any, ...]) -> Fact:
        """A fact that is told, that has a default, or that root decides."""
        name = self.name("fact")
        roots = self.open[-1].integers
        how = self.pick("told", "told", "default", "both", "derived")
        if how == "derived" and roots and candidates == (False, True):
            return fact(name, candidates, derived=Ref("root", (self.draw(st.sampled_from(roots)),)) > 1)
        if how in ("default", "both"):
            if how == "both":
                self.facts[name] = self.draw(st.sampled_from(candidates))
            return fact(name, candidates, default=self.draw(st.sampled_from(candidates)))
        self.facts[name] = self.draw(st.sampled_from(candidates))
        return fact(name, candidates)

    def condition(self, depth: int = 0) -> Expr:
        """A condition."""
        if depth < 2 and self.chance(4):
            first, second = self.condition(depth + 1), self.condition(depth + 1)
            return self.pick(first & second, first | second, not_(first), choose(first, second, True))
        if self.chance(4):
            return self.pick(version_id >= self.draw(SMALL), self.fact((False, True)))
        if (buffers := self.refs("buffers")) and self.chance(3):
            return len_(self.draw(st.sampled_from(buffers))[1]) > self.draw(SMALL)
        refs = self.refs()
        if not refs:
            return self.fact((False, True))
        ref, limit = self.draw(st.sampled_from(refs))[1], self.draw(SMALL)
        return self.pick(
            ref == limit, ref != limit, ref < limit, ref >= limit, ref.has(0), (ref & 2) != 0, (ref ^ limit) > 1
        )

    # Descriptions.

    def description(self, depth: int, name: str | None = None, key: t.Scalar | None = None) -> VMStateDescription:
        """A description; `key` is the type of its first field, if that is given."""
        # No name begins with another: it would be taken for a subsection of that.
        name = name or f"{self.name('struct-')}."
        has_class = self.draw(st.booleans())
        version = self.draw(SMALL)
        minimum = self.draw(st.integers(0, version))
        self.open.insert(0, _Open())
        # Behind an empty struct the subsection of the next would be taken for its own: there is always one byte.
        has_subsections = depth < 3 and self.chance(3)
        fields = [] if key is None else [self.key_field(key)]
        if has_subsections and not fields:
            fields.append(self.counter(self.name()))
        for _ in range(self.draw(st.integers(0, 5 if depth == 0 else 3))):
            fields.append(self.field(depth, version, minimum, has_class))
        subsections = []
        for _ in range(self.draw(st.integers(1, 3)) if has_subsections else 0):
            sub = self.description(depth + 1, f"{name}/{self.name()}.")
            subsections.append(Subsection(sub, self.name("sub")))
        self.open.pop(0)
        options: dict[str, Any] = {"version_id": version, "minimum_version_id": minimum}
        if not has_class:
            return VMStateDescription(name, fields, subsections=subsections, **options)
        body = {field.attribute: declared(field) for field in fields}
        body |= {sub.attribute: Declared(None, (sub.vmsd, None)) for sub in subsections}
        vmsd: VMStateDescription = description(name, **options)(type("S", (), body)).vmsd  # type: ignore[attr-defined]
        return vmsd

    def key_field(self, key: t.Scalar) -> Field:
        name = self.name()
        self.bound.add(name)
        self.open[0].integers.append(name)
        return Field(name, key)

    def field(self, depth: int, version: int, minimum: int, has_class: bool) -> Field:
        """A field. What always is there can be read by those that follow."""
        name = self.name()
        if not has_class and self.chance(8):
            return self.repeated(minimum)
        if self.chance(3):
            return self.counter(name)
        if self.chance(12):
            self.open[0].integers.append(name)
            self.bound.add(name)
            default = self.draw(SMALL)
            return Field(name, t.Host("", default), default=default)
        if self.chance(10) and (ref := self.small()) is not None:
            return Field(name, t.Validate("", ref <= 3))
        shape: dict[str, Any] = {}
        if self.chance(4):
            shape["version"] = self.draw(st.integers(0, version))
        if self.chance(3):
            shape["exists"] = self.condition()
        kind = self.unused() if self.chance(10) else self.type(depth)
        if self.chance(3):
            shape |= self.array(name, kind)
        field = Field(name, kind, **shape)
        if not shape or shape == {"version": minimum}:
            if isinstance(kind, t.Scalar):
                self.open[0].integers.append(name)
            elif isinstance(kind, t.Buffer) and field.in_state:
                self.open[0].buffers.append(name)
        return field

    def counter(self, name: str) -> Field:
        self.open[0].integers.append(name)
        return Field(name, self.pick(*COUNTERS))

    def repeated(self, minimum: int) -> Field:
        """A field of a name that others have too."""
        shape: dict[str, Any] = {"version": self.draw(st.integers(0, minimum + 1))}
        if self.chance(3):
            shape["count"] = self.draw(SMALL)
        if self.chance(4):
            shape["exists"] = self.condition()
        name, kind = self.pick(("again", t.UINT8), ("again", t.BOOL), ("pad", self.unused()))
        return Field(name, kind, **shape)

    def unused(self) -> t.Unused:
        return t.Unused("unused_buffer", self.count())

    def array(self, name: str, kind: t.WireType) -> dict[str, Any]:
        """The shape of an array."""
        if self.chance(4):
            dims = tuple(self.draw(st.lists(st.integers(1, 3), min_size=2, max_size=3)))
            total = 1
            for dimension in dims:
                total *= dimension
            return {"count": total, "dims": dims}
        shape: dict[str, Any] = {"count": self.count(), "start": self.draw(SMALL)}
        if not isinstance(kind, t.Unused) and self.chance(3):
            shape["pointers"] = self.pick(*Pointers)
            if shape["pointers"] is Pointers.NULL_MARKER:
                shape["nulls"] = self.nulls(name, kind)
        return shape

    def nulls(self, name: str, kind: t.WireType) -> Fact:
        nulls = t.nulls_fact(name)
        never_a_marker = isinstance(kind, t.Scalar) and kind.order == ">"
        ways = [t.NULLS_NEVER, (), (0,), (1, 2)] + ([t.NULLS_MARKED] if never_a_marker else [])
        self.facts[nulls.name] = self.draw(st.sampled_from(ways))
        if self.facts[nulls.name] == t.NULLS_MARKED:
            # The first byte of an element must not look like a marker.
            self.bound.add(name)
        return nulls

    def type(self, depth: int) -> t.WireType:
        """A wire type."""
        if depth < 3 and self.chance(2 + depth):
            return self.compound(depth + 1)
        plain = self.pick(
            "scalar", "scalar", "scalar", "buffer", "text", "bitmap", "string", "chunks", "choice", "null"
        )
        match plain:
            case "scalar":
                return self.pick(*SCALARS)
            case "buffer":
                return self.pick(t.Buffer, t.Opaque)("buffer", self.count())
            case "text":
                return t.Text("buffer", self.count())
            case "bitmap":
                bits = self.count()
                return t.Bitmap("bitmap", bits * 40)
            case "string":
                return t.CountedString("buffer")
            case "chunks":
                return t.Chunks("buffer", self.pick(4, 1 << 20))
            case "choice":
                return self.choice(depth)
        return t.NULLPTR

    def choice(self, depth: int) -> t.WireType:
        if self.chance(4):
            return t.FD
        ref = self.small()
        on, values = (self.fact(("a", "b")), ("a", "b")) if ref is None else (ref, (0, 1, 2, 3))
        inside = [self.pick(t.BOOL, t.UINT32, t.Buffer("buffer", 2), self.type(depth + 1)) for _ in values]
        return t.Choice("choice", on, tuple(zip(values, inside, strict=True)))

    def compound(self, depth: int) -> t.WireType:
        """A type with structs inside."""
        kind = self.pick("struct", "struct", "vstruct", "tmp", "info", "qtailq", "qlist", "gtree", "keyed")
        if kind == "keyed":
            key = self.pick(t.UINT8, t.UINT32, *ORDERED)
            return t.KeyedList("struct", self.description(depth, key=key), key, self.pick(0, 0, 1, 4))
        vmsd = self.description(depth)
        version = self.draw(st.integers(vmsd.minimum_version_id, vmsd.version_id))
        match kind:
            case "struct":
                return t.Struct("struct", vmsd)
            case "vstruct":
                return t.Struct("vstruct", vmsd, version)
            case "tmp":
                return t.WithTmp("tmp", vmsd)
            case "info":
                return t.Info("opaque", vmsd)
            case "gtree":
                return self.tree(depth, vmsd)
        return t.QList(kind, vmsd, version)

    def tree(self, depth: int, value: VMStateDescription) -> t.GTree:
        key = self.description(depth) if self.draw(st.booleans()) else None
        lowest = max(part.minimum_version_id for part in (value, key) if part is not None)
        highest = min(part.version_id for part in (value, key) if part is not None)
        if lowest > highest:
            return t.GTree("gtree", None, value, value.version_id)
        return t.GTree("gtree", key, value, self.draw(st.integers(lowest, highest)))


def declared(field: Field) -> Declared:
    """A field as a word of a class body."""
    told_by_the_rest = ("attribute", "as_written", "compressed", "in_state", "is_plain")
    return Declared({name: getattr(field, name) for name in Field._names if name not in told_by_the_rest}, None)


@st.composite
def cases(draw: Any) -> Case:
    """Descriptions with a state."""
    builder = _Builder(draw)
    vmsd = builder.description(0)
    version = draw(st.integers(vmsd.minimum_version_id, vmsd.version_id))
    try:
        state = Grower(vmsd, DrawnSource(draw), builder.facts).grow(version)
    except VMStateError:
        # Two expressions that want different values of one field.
        reject()
    # What was told is passed by the tests.
    ensure_meta(state).facts = {}
    return Case(vmsd, version, builder.facts, state)


@st.composite
def mutations(draw: Any) -> Callable[[bytes], bytes]:
    """Ways of spoiling bytes: flips, cuts, splices, numbers that cannot be, or other bytes altogether."""
    how = draw(st.sampled_from(("set", "set", "flip", "cut", "drop", "insert", "copy", "number", "append", "random")))
    at, length = draw(st.integers(0, 200)), draw(st.integers(1, 8))
    byte = draw(st.sampled_from((0, 1, 2, 5, 0x30, 0x31, 0x7F, 0x80, 0xFF)))
    inserted = draw(st.binary(max_size=12))
    huge = draw(st.sampled_from((b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\0\1\0\0", b"\xff\xff")))

    def mutate(data: bytes) -> bytes:
        place = at % (len(data) + 1)
        head, tail = data[:place], data[place:]
        match how:
            case "set":
                return head + bytes((byte,)) + tail[1:]
            case "flip":
                return head + bytes(byte ^ 1 << at % 8 for byte in tail[:1]) + tail[1:]
            case "cut":
                return head
            case "drop":
                return head + tail[length:]
            case "insert":
                return head + inserted + tail
            case "copy":
                return data[: place + length] + tail
            case "number":
                return head + huge + tail[len(huge) :]
            case "append":
                return data + inserted
        return inserted

    return mutate


def plain(value: Any) -> Any:
    """A state, or what construct makes of it, as plain dicts and lists."""
    if is_state(value):
        return {name: plain(inner) for name, inner in items_of(value)}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if not name.startswith("_")}
    if isinstance(value, (list, tuple, Records)):
        return [plain(inner) for inner in value]
    return value


def without_residue(value: Any) -> Any:
    """A copy of a state that holds nothing but the values, and the versions of subsections."""
    if is_state(value):
        values = {name: without_residue(inner) for name, inner in items_of(value)}
        copy = State(values) if isinstance(value, State) else type(value)(**values)
        if version_of(value) is not None:
            ensure_meta(copy).version_id = version_of(value)
        return copy
    if isinstance(value, (list, Records, OddList)):
        return [without_residue(item) for item in value]
    return tuple(without_residue(item) for item in value) if isinstance(value, tuple) else value


def for_construct(value: Any) -> Any:
    """A state as construct builds from it: the version of a subsection stands in its Container."""
    from vmstate.codec.construct_export import VERSION_KEY

    if is_state(value):
        values = {name: for_construct(inner) for name, inner in items_of(value)}
        return values if version_of(value) is None else {**values, VERSION_KEY: version_of(value)}
    if isinstance(value, (list, tuple, Records)):
        return [for_construct(item) for item in value]
    return value
