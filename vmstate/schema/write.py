"""vmdesc written: from descriptions and states to the JSON text that QEMU would have sent behind them.

A JSON object is a list of (key, value) pairs here, since QEMU repeats keys. Sizes are bytes on the wire; that of an
array which is compressed is the size of its first element. Facts from QEMU's migration/vmstate.c.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from vmstate.codec.elements import element
from vmstate.codec.pieces import Pieces
from vmstate.codec.plan import CAREFUL, FAST, STUMBLES
from vmstate.codec.runtime import Context, Frame
from vmstate.codec.structs import version_to_write
from vmstate.schema.vmdesc import Dialect
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Pointers, VMStateDescription
from vmstate.vmsd.expr import Expr
from vmstate.vmsd.state import meta_of

Pairs = list[tuple[str, Any]]


def json_text(value: Any, *, spaced: bool = False) -> str:
    """JSON as QEMU spaces it; an object is a list of pairs, and () an empty one."""
    gap, colon = (" ", " : ") if spaced else ("", ": ")
    if isinstance(value, (list, tuple)):
        if value == () or (value and isinstance(value[0], tuple)):
            items = (json.dumps(key) + colon + json_text(item, spaced=spaced) for key, item in value)
            return f"{{{gap}{', '.join(items)}{gap}}}"
        return f"[{gap}{', '.join(json_text(item, spaced=spaced) for item in value)}{gap}]"
    return json.dumps(value)


def describe_device(
    name: str, instance_id: int, vmsd: VMStateDescription, state: Any, dialect: Dialect, version_id: int | None = None
) -> Pairs:
    """The entry of a device section."""
    pairs, _ = describe(vmsd, state, dialect, version_id)
    return [("name", name), ("instance_id", instance_id), *pairs]


def describe_old_style(name: str, instance_id: int, size: int) -> Pairs:
    """The entry of a section that no description describes: `size` bytes."""
    data = [("name", "data"), ("size", size), ("type", "buffer")]
    return [("name", name), ("instance_id", instance_id), ("size", size), ("fields", [data])]


def describe(
    vmsd: VMStateDescription, state: Any, dialect: Dialect, version_id: int | None = None
) -> tuple[Pairs, int]:
    """What QEMU says of a state, and the bytes it takes. Raises `EncodeError` for one that cannot be written."""
    meta = meta_of(state)
    ctx = Context(b"", facts=meta.facts if meta is not None else None)
    ctx.path = []
    # What QEMU would refuse has a size all the same.
    ctx.force = True
    version = version_to_write(vmsd, meta, version_id)
    try:
        return _Writer(ctx, dialect).struct(vmsd, version, state, None)
    except STUMBLES:
        # Which value it is that does not fit, the codec says.
        vmsd.encode(state, version_id=version, force=True)
        raise


class _Writer:
    def __init__(self, ctx: Context, dialect: Dialect) -> None:
        self.ctx = ctx
        self.dialect = dialect
        # Of each description that has elements as fields of their own, the shapes of all its fields.
        self.shapes: dict[VMStateDescription, list[Pairs]] = {}

    def struct(self, vmsd: VMStateDescription, version_id: int, state: Any, outer: Frame | None) -> tuple[Pairs, int]:
        plan = CAREFUL.plan(vmsd, version_id)
        frame = Frame(self.ctx, plan.layout, outer, version_id)
        frame.values = plan.split(state)
        nodes: list[Pairs] = []
        size = 0
        slot = 0
        for number, field in enumerate(vmsd.fields):
            value = frame.values[slot] if field.in_state else None
            slot += field.in_state
            if _exists(field, frame, version_id):
                for node, bytes_there in self.field(vmsd, number, value, frame):
                    nodes += node
                    size += bytes_there
        pairs: Pairs = [("vmsd_name", vmsd.name), ("version", version_id), ("fields", nodes)]
        subs: list[Pairs] = []
        for sub in vmsd.subsections:
            value = frame.values[slot]
            slot += 1
            if value is not None:
                described, bytes_there = self.struct(
                    sub.vmsd, version_to_write(sub.vmsd, meta_of(value), None), value, frame
                )
                subs.append(described)
                size += 1 + 1 + len(sub.vmsd.name.encode()) + 4 + bytes_there
        if subs:
            pairs.append(("subsections", subs))
        return pairs, size

    def field(
        self, vmsd: VMStateDescription, number: int, value: Any, frame: Frame
    ) -> Iterator[tuple[list[Pairs], int]]:
        """The nodes of a field, with the bytes each group of them takes."""
        field = vmsd.fields[number]
        name = field.name if field.as_written else _numbered(vmsd, field)
        if field.type is t.UINT64_WORDS and field.count is None:
            size = field.type.size
            yield [self.node(name, [("array_len", 2)], [("type", field.type.info)], size // 2)], size
            return
        if field.count is None:
            body, size = self.element(self.kind_of(field, value), value, frame)
            shape = [] if field.compressed is not False else self.shape_among(vmsd, number)
            yield [self.node(name, shape, body, size)], size
            return
        elements = self.elements(field, value, frame)
        compressed = can_compress(field) if field.compressed is None else field.compressed
        described = [self.element(self.kind_of(field, element), element, frame) for element in elements]
        total = sum(size for _, size in described)
        if field.pointers is Pointers.ALL_MARKED:
            marker = self.node(name, [], [("type", t.PTR_MARKER.info)], 1)
            nodes = []
            for element, (body, size) in zip(elements, described, strict=True):
                nodes.append(marker)
                if element is not None:
                    nodes.append(self.node(name, [], body, size))
            yield nodes, total + len(elements) - elements.count(None)
        elif self.dialect.null is not None and (field.pointers is not None or isinstance(field.type, t.Nullptr)):
            nulls = [element is None for element in elements]
            shapes = self.shapes_of_pointers(nulls, compressed)
            yield (
                [
                    self.node(name, shape, *element)
                    for shape, element in zip(shapes, described, strict=True)
                    if shape is not None
                ],
                total,
            )
        elif compressed:
            count: Pairs = [("array_len", len(elements))] if len(elements) > 1 else []
            yield [self.node(name, count, *element) for element in described[:1]], total
        else:
            yield (
                [
                    self.node(name, self.index(place, len(elements)), *element)
                    for place, element in enumerate(described)
                ],
                total,
            )

    def shapes_of_pointers(self, nulls: Sequence[bool], compressed: bool) -> list[Pairs | None]:
        """Of each element of an array of pointers, the keys that say its place; None where it has no entry.

        As migration/vmstate.c does it from 10.0 on: how many elements an entry stands for is counted to the end of the
        array, and anew to the end of the run where NULLs begin or end; in 11.1 not for the last element.
        """
        in_runs_only = self.dialect.index == "none"
        shapes: list[Pairs | None] = []
        described = True
        before = False
        for place, null in enumerate(nulls):
            count = len(nulls) - place if compressed or not in_runs_only else 1
            if null is not before and (count > 1 or not in_runs_only):
                before, described = null, True
                count = next((stop for stop in range(place, len(nulls)) if nulls[stop] is not null), len(nulls)) - place
            shape: Pairs = []
            if count > 1:
                shape = [("array_len", count)] if compressed or null else [("index", place)]
            shapes.append(shape if described else None)
            if compressed and (count > 1 or not in_runs_only):
                described = False
        return shapes

    def kind_of(self, field: Field, value: Any) -> t.WireType:
        """The type of an element; a NULL has one of its own, or keeps the array's name for it."""
        if value is not None or (field.pointers is None and not isinstance(field.type, t.Nullptr)):
            return field.type
        return self.dialect.null or t.Nullptr(field.type.info)

    def elements(self, field: Field, value: Any, frame: Frame) -> list[Any]:
        if isinstance(field.type, t.Unused):
            assert field.count is not None
            return [b""] * _number(field.count, frame)
        for _ in (field.dims or ())[1:]:
            value = [element for row in value for element in row]
        return list(value)

    def shape_among(self, vmsd: VMStateDescription, number: int) -> Pairs:
        """The keys that say the place of an element which is a field of its own beside others of its name."""
        shapes = self.shapes.get(vmsd)
        if shapes is None:
            shapes = self.shapes[vmsd] = []
            for _, run in groupby(vmsd.fields, lambda field: field.name):
                nulls = [isinstance(field.type, t.Nullptr) for field in run]
                if self.dialect.null is None or not any(nulls):
                    shapes += [self.index(place, len(nulls)) for place in range(len(nulls))]
                else:
                    shapes += [shape or [] for shape in self.shapes_of_pointers(nulls, compressed=False)]
        return shapes[number]

    def index(self, place: int, count: int) -> Pairs:
        shown = self.dialect.index == "all" or (self.dialect.index == "but last" and place < count - 1)
        return [("index", place)] if shown and count > 1 else []

    def node(self, name: str, shape: Pairs, body: Pairs, size: int) -> Pairs:
        return [("name", name), *shape, *body, ("size", size)]

    def element(self, kind: t.WireType, value: Any, frame: Frame) -> tuple[Pairs, int]:
        """The keys between name and size, and the size."""
        info: Pairs = [("type", kind.info)]
        match kind:
            case t.Nullptr(info="struct"):
                return [*info, ("struct", ())], 1
            case t.Nullptr():
                return info, 1
            case t.Scalar(size=size):
                return info, size
            case t.Later():
                return self.element(kind.resolve(), value, frame)
            case t.Choice():
                chosen = dict(kind.cases)[kind.on.evaluate(frame)]
                return self.element(chosen, value, frame)
            case t.QList(vmsd=vmsd, version=version):
                return self.list_of([(vmsd, version, element) for element in value], info, 1 + len(value), frame)
            case t.GTree(key=key, value=node, version=version):
                parts = []
                for node_key, node_value in value:
                    parts += [] if key is None else [(key, version, node_key)]
                    parts.append((node, version, node_value))
                overhead = 5 + len(value) * (9 if key is None else 1)
                return self.list_of(parts, info, overhead, frame)
            case t.WithTmp(vmsd=vmsd):
                pairs, size = self.struct(vmsd, _version(kind), value, frame)
                return [*info, *pairs], size
            case t.Info() | t.KeyedList():
                return info, self.size(kind, value, frame)
            case t.Struct(vmsd=vmsd):
                pairs, size = self.struct(vmsd, _version(kind), value, frame)
                return ([*info, ("struct", pairs)] if kind.info == "struct" else [*info, *pairs]), size
        return info, self.size(kind, value, frame)

    def list_of(
        self, parts: Sequence[tuple[VMStateDescription, int | None, Any]], info: Pairs, size: int, frame: Frame
    ) -> tuple[Pairs, int]:
        pairs = list(info)
        for vmsd, version, state in parts:
            described, bytes_there = self.struct(vmsd, vmsd.version_id if version is None else version, state, frame)
            pairs += described
            size += bytes_there
        return pairs, size

    def size(self, kind: t.WireType, value: Any, frame: Frame) -> int:
        out = Pieces() if isinstance(value, bytes) else bytearray()
        path = self.ctx.path
        # Without a path arrays are written as a whole.
        self.ctx.path = None
        with suppress(*STUMBLES):
            element(kind, FAST).write(self.ctx, frame, value, out)
            self.ctx.path = path
            return len(out)
        self.ctx.path = path
        out[:] = b""
        element(kind, CAREFUL).write(self.ctx, frame, value, out)
        return len(out)


def _version(kind: t.Struct) -> int:
    return kind.vmsd.version_id if kind.version is None else kind.version


def _number(count: int | Expr, frame: Frame) -> int:
    return count if isinstance(count, int) else int(count.evaluate(frame))


def _exists(field: Field, frame: Frame, version_id: int) -> bool:
    if isinstance(field.type, (t.Host, t.Validate)):
        return False
    return field.version <= version_id if field.exists is None else bool(field.exists.evaluate(frame))


def _numbered(vmsd: VMStateDescription, field: Field) -> str:
    """QEMU tells fields of one name apart by a number, whether they are there or not."""
    same = [
        namesake for namesake in vmsd.fields if namesake.name == field.name and not isinstance(namesake.type, t.Host)
    ]
    return field.name if len(same) == 1 else f"{field.name}[{same.index(field)}]"


def can_compress(field: Field) -> bool:
    """Whether QEMU describes an array by its first element alone."""
    if field.exists is not None or field.pointers is Pointers.ALL_MARKED:
        return False
    if type(field.type) is t.Struct and field.type.info == "struct":
        vmsd = field.type.vmsd
        return not vmsd.subsections and all(can_compress(inner) for inner in vmsd.fields)
    return True
