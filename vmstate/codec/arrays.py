"""Arrays: scalars in one call, structs of fixed size as `Records`, anything else element by element."""

from __future__ import annotations

import struct
from typing import Any

from vmstate.codec.elements import (
    FOLLOWS,
    NULL,
    as_list,
    byte_at,
    nullptr,
    number,
    packer,
)
from vmstate.codec.plan import Codecs, Element, Place, Put, Step
from vmstate.codec.records import Records, fixed_struct
from vmstate.codec.runtime import Context, Frame, refuse
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import nested
from vmstate.vmsd.description import Field, Pointers
from vmstate.vmsd.expr import Expr

STRUCT = 16
"""How many numbers a struct counts for."""


def array(place: Place, item: Element, codecs: Codecs) -> tuple[Step, Put]:
    """The step and the put of an array whose elements are read and written by `item`."""
    field, slot, *_ = place
    if field.pointers is not None:
        return _sequence(place, _pointer(field, item))
    kind = field.type
    if isinstance(kind, t.Scalar) and kind.order != "words":
        return _scalars(field, kind, slot)
    if type(kind) is t.Struct and item.size is not None and kind.vmsd.name:
        return _records(place, item, kind, codecs)
    return _sequence(place, item)


def _pointer(field: Field, item: Element) -> Element:
    """The element of an array of pointers: a NULL is None."""
    nulls = field.nulls

    def write_marked(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        out.append(NULL if value is None else FOLLOWS)
        if value is not None:
            item.write(ctx, frame, value, out)

    def read_marked(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        marker = byte_at(ctx, pos)
        if marker == FOLLOWS:
            return item.read(ctx, frame, pos + 1, out)
        if marker != NULL:
            raise ctx.wrong("not the marker of a pointer", pos, "0x30 or 0x31", f"{marker:#04x}")
        out.append(None)
        return pos + 1

    if field.pointers is Pointers.ALL_MARKED:
        return Element(read_marked, write_marked, None, 1)
    assert nulls is not None
    null = nullptr()

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        where = nulls.evaluate(frame)
        if isinstance(where, (tuple, list, frozenset, set)):
            # The host knows which: there a NULL must stand, and nowhere else.
            return (null if len(out) in where else item).read(ctx, frame, pos, out)
        if where != t.NULLS_MARKED or byte_at(ctx, pos) != NULL:
            return item.read(ctx, frame, pos, out)
        out.append(None)
        return pos + 1

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if value is None:
            out.append(NULL)
        else:
            item.write(ctx, frame, value, out)

    return Element(read, write, None, min(1, item.least))


def counted(ctx: Context, frame: Frame, field: Field, value: Any, pos: int) -> list[Any]:
    """The elements to write, as many as the count says."""
    flat = as_list(ctx, value)
    for _ in (field.dims or ())[1:]:
        flat = [element for row in flat for element in as_list(ctx, row)]
    assert field.count is not None
    count = number(ctx, frame, field.count, "count", pos)
    if len(flat) != count:
        why = "" if str(field.count) == str(count) else f", as {field.count} says"
        raise refuse(ctx, f"{len(flat)} elements", f"{count} elements{why}")
    return flat  # type: ignore[no-any-return]


def _scalars(field: Field, kind: t.Scalar, slot: int) -> tuple[Step, Put]:
    """An array of scalars, in one call."""
    size, code, order, count = kind.size, kind.code, kind.order, field.count
    dims = field.dims
    assert count is not None
    fact_of_order = t.ORDERS.get(order)
    fixed = packer(f"{order}{count}{code}") if isinstance(count, int) and fact_of_order is None else None

    def packed(ctx: Context, frame: Frame, elements: int) -> struct.Struct:
        return fixed or packer(
            f"{order if fact_of_order is None else byte_order(ctx, frame, fact_of_order)}{elements}{code}"
        )

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        elements = number(ctx, frame, count, "count", pos)
        end = pos + elements * size
        if end > ctx.end:
            raise ctx.short(pos, elements * size)
        ctx.count_numbers(elements, pos)
        if code == "B":
            numbers = list(bytes(ctx.data[pos:end]))
        else:
            numbers = list(packed(ctx, frame, elements).unpack_from(ctx.data, pos))
        values.append(nested(numbers, dims) if dims else numbers)
        return end

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        flat = counted(ctx, frame, field, frame.values[slot], 0)
        if code == "?" and any(type(value) is not bool for value in flat):
            _refuse_odd(ctx, field, kind, flat)
        try:
            out += packed(ctx, frame, len(flat)).pack(*flat)
        except struct.error:
            _refuse_odd(ctx, field, kind, flat)
            raise

    return step, put


def byte_order(ctx: Context, frame: Frame, fact: Expr) -> str:
    """The byte order that a fact tells, as the struct module writes it."""
    order = fact.evaluate(frame)
    if order not in ("little", "big"):
        raise ctx.wrong(f"{fact} is no byte order", 0, "little or big", repr(order))
    return "<" if order == "little" else ">"


def _refuse_odd(ctx: Context, field: Field, kind: t.Scalar, flat: list[Any]) -> None:
    for index, value in enumerate(flat):
        if not isinstance(value, int) or not kind.minimum <= value <= kind.maximum:
            enter_element(ctx, index, field.dims)
            raise refuse(ctx, value, f"an integer from {kind.minimum} to {kind.maximum}") from None


def _room(ctx: Context, elements: int, least: int, pos: int) -> None:
    """Refuse a count that cannot be, before anything is made of it."""
    if elements * least > ctx.end - pos:
        raise ctx.short(pos, elements * least)


def _sequence(place: Place, item: Element) -> tuple[Step, Put]:
    """An array of anything, element by element."""
    field, slot, first = place.field, place.slot, place.first
    count, dims, least = field.count, field.dims, item.least
    assert count is not None

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        elements = number(ctx, frame, count, "count", pos)
        _room(ctx, elements, least, pos)
        ctx.count_numbers(elements * STRUCT, pos)
        states: list[Any] = []
        for index in range(elements):
            enter_element(ctx, first + index, dims)
            before, pos = pos, item.read(ctx, frame, pos, states)
            if pos == before:
                ctx.count_empty(1, pos)
            leave_element(ctx, dims)
        values.append(nested(states, dims) if dims else states)
        return pos

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        for index, value in enumerate(counted(ctx, frame, field, frame.values[slot], 0), first):
            enter_element(ctx, index, dims)
            item.write(ctx, frame, value, out)
            leave_element(ctx, dims)

    return step, put


def enter_element(ctx: Context, index: int, dims: tuple[int, ...] | None) -> None:
    """Note the place of an element: its row and its place in that, where there are rows."""
    if ctx.path is None:
        return
    places: list[int] = []
    for dimension in reversed((dims or ())[1:]):
        index, place = divmod(index, dimension)
        places.insert(0, place)
    ctx.path += [index, *places]


def leave_element(ctx: Context, dims: tuple[int, ...] | None) -> None:
    """The element is done."""
    if ctx.path is not None:
        del ctx.path[-len(dims or (1,)) :]


def _records(place: Place, item: Element, kind: t.Struct, codecs: Codecs) -> tuple[Step, Put]:
    """An array of structs of fixed size: the bytes are kept, and elements made when they are looked at."""
    field, slot, *_ = place
    count, dims = field.count, field.dims
    size = item.size or 0
    assert count is not None
    by_element, put_each = _sequence(place, item)
    if dims or not size:
        return by_element, put_each
    name = kind.vmsd.wire_name
    version_id = kind.vmsd.version_id if kind.version is None else kind.version
    kind_of_element = fixed_struct(kind.vmsd, version_id)

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        elements = number(ctx, frame, count, "count", pos)
        _room(ctx, elements, size, pos)
        end = pos + elements * size
        if ctx.path is not None or (not ctx.final and end >= ctx.end):
            return by_element(ctx, frame, pos, values)
        raw = bytes(ctx.data[pos:end])
        # Behind each element QEMU looks for a subsection; it would have to name the struct.
        named = name in raw or name in bytes(ctx.data[max(pos, end - len(name)) : end + 2 + len(name)])
        if named:
            del raw
            return by_element(ctx, frame, pos, values)
        values.append(Records(kind_of_element, raw))
        return end

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        value = frame.values[slot]
        if ctx.path is not None and isinstance(value, Records) and (ctx.broken is not None or ctx.entries is not None):
            from vmstate.codec.asked import asked_of

            states = asked_of(ctx, kind.vmsd, kind_of_element, value)
            if states is not None and len(value) == number(ctx, frame, count, "count", 0):
                for index, state in states:
                    enter_element(ctx, index, dims)
                    item.write(ctx, frame, state, bytearray())
                    leave_element(ctx, dims)
                out += bytes(size * len(value))
                return
        if ctx.path is not None:
            put_each(ctx, frame, out)
            return
        flat = counted(ctx, frame, field, value, 0)
        kept = value.patches(kind_of_element) if isinstance(value, Records) else None
        if kept is None:
            rows = None if kind_of_element.rows is None else kind_of_element.rows.write(flat)
            if rows is None:
                put_each(ctx, frame, out)
            else:
                out += rows
            return
        raw, made = kept
        start = len(out)
        out += raw
        for index, state in made:
            patch = bytearray()
            item.write(ctx, frame, state, patch)
            out[start + index * size : start + (index + 1) * size] = patch

    return step, put
