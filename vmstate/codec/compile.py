"""From a description to the functions that read and write it.

A description is compiled once for each version, lazily, to a list of steps. Runs of plain scalars fuse into one
`struct.Struct`; `vmstate.codec.arrays` compiles arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from vmstate.codec.arrays import array
from vmstate.codec.elements import (
    element,
    number,
    packer,
)
from vmstate.codec.plan import Codecs, Element, Place, Plan, Put, Step
from vmstate.codec.runtime import Context, Frame, close_entry, enter, leave, open_entry
from vmstate.codec.states import making, names_in_state
from vmstate.errors import EncodeError
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Expr, refuted
from vmstate.vmsd.rule import Broken, Rule, judge


def compile_plan(vmsd: VMStateDescription, version_id: int, codecs: Codecs) -> Plan:
    """Compile a description for a version."""
    steps: list[Step] = []
    puts: list[Put] = []
    run: list[int] = []
    run_slot = slot = 0
    size: int | None = 0
    least = 0
    hollow = 0
    layout: dict[str, int] = {}
    keys, places = names_in_state(vmsd)

    def close_run() -> None:
        nonlocal size, least
        step, put, width = fuse([vmsd.fields[place] for place in run], [keys[place] for place in run], run_slot)
        steps.append(step)
        puts.append(put)
        size = None if size is None else size + width
        least += width
        run.clear()

    for index, field in enumerate(vmsd.fields):
        if field.run_code and not codecs.careful and field.version <= version_id:
            if not run:
                run_slot = slot
            run.append(index)
        else:
            if run:
                close_run()
            present = not isinstance(field.type, t.Host) and (field.exists is not None or field.version <= version_id)
            if present:
                place = Place(field, slot, keys[index], *places[index])
                step, put, fixed_size, field_least = compile_field(place, codecs)
                steps.append(step)
                puts.append(put)
                size = None if size is None or fixed_size is None else size + fixed_size
                least += field_least
                hollow += not field_least and _is_hollow(field)
            elif field.in_state:
                steps.append(_absent(field))
        if field.in_state:
            layout.setdefault(field.attribute, slot)
            slot += 1
    if run:
        close_run()
    if vmsd.subsections:
        size = None
    for sub in vmsd.subsections:
        layout.setdefault(sub.attribute, slot)
        slot += 1
    hollow += len(vmsd.subsections) - least
    if hollow > 0 and vmsd.state_class is None:
        # What a stream says of itself can have thousands of values for each byte. It has no fixed size then, so that
        # no table of it is made that nobody has counted.
        size = None
        steps.insert(0, _counting_empty(hollow))
    make, split = making(vmsd)
    return Plan(
        vmsd=vmsd,
        version_id=version_id,
        careful=codecs.careful,
        layout=layout,
        steps=tuple(steps),
        puts=tuple(puts),
        subsections=tuple(enumerate(vmsd.subsections)),
        rules=_rules_of(vmsd, codecs),
        make=make,
        split=split,
        width=slot,
        size=size,
        least=least,
    )


def _rules_of(vmsd: VMStateDescription, codecs: Codecs) -> tuple[tuple[str | None, Rule], ...]:
    """(attribute, rule) of the fields, then those of the whole."""
    rules: list[tuple[str | None, Rule]]
    if codecs.careful:
        rules = [(field.attribute, rule) for field in vmsd.fields for rule in field.checks]
    else:
        # What the destination has beside it is found by the path, which only the careful plan knows.
        rules = [(field.attribute, rule) for field in vmsd.fields for rule in field.rules if not rule.reads_own]
    return (*rules, *((None, rule) for rule in vmsd.rules))


def _is_hollow(field: Field) -> bool:
    """Whether a field that is there takes no bytes, of those that can do without.

    One with a condition is not counted, nor what is opaque: that has no size of its own, but was seen with one.
    """
    if isinstance(field.count, int) and field.count == 0:
        return True
    is_seen_with_bytes = isinstance(field.type, t.Opaque) and not (
        isinstance(field.type.size, int) and field.type.size == 0
    )
    return field.exists is None and not is_seen_with_bytes


def _counting_empty(values: int) -> Step:
    def step(ctx: Context, frame: Frame, pos: int, _values: list[Any]) -> int:
        ctx.count_empty(values, pos)
        return pos

    return step


def _absent(field: Field) -> Step:
    default = field.default if isinstance(field.type, t.Host) else None

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        values.append(default)
        return pos

    return step


def fuse(run: list[Field], keys: list[str], first: int) -> tuple[Step, Put, int]:
    """One struct.Struct for a run of scalars and padding: step, put and size.

    `first` is the slot of the first of them that has one. What QEMU would write otherwise becomes residue under `keys`.
    """
    layout = ">" + "".join([field.run_code for field in run])
    packed = packer(layout)
    size, unpack_from, pack = packed.size, packed.unpack_from, packed.pack
    last, normalises = first + len(run), False
    bools: tuple[int, ...] = ()
    if "x" in layout or "?" in layout:
        codes = [field.run_code for field in run if field.in_state]
        last, normalises = first + len(codes), True
        bools = tuple(first + number for number, code in enumerate(codes) if code == "?")

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        numbers = unpack_from(ctx.data, pos)
        values.extend(numbers)
        end = pos + size
        if normalises and pack(*numbers) != ctx.data[pos:end]:
            frame.residue = frame.residue or {}
            _run_residue(run, keys, ctx, frame.residue, pos)
        return end

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        values = frame.values
        for slot in bools:
            # To struct.pack anything is true or false.
            if type(values[slot]) is not bool:
                raise TypeError
        out += pack(*values[first:last])

    return step, put, size


def _is_bool(kind: t.WireType) -> bool:
    return isinstance(kind, t.Scalar) and kind.code == "?"


def _run_residue(
    run: list[Field], keys: list[str], ctx: Context, residue: dict[str, tuple[bytes, Any]], pos: int
) -> None:
    for field, key in zip(run, keys, strict=True):
        size = struct.calcsize(">" + field.run_code)
        raw = bytes(ctx.data[pos : pos + size])
        pos += size
        if isinstance(field.type, t.Unused) and any(raw):
            residue[key] = raw, None
        elif _is_bool(field.type) and raw[0] > 1:
            residue[key] = raw, True


def compile_field(place: Place, codecs: Codecs) -> tuple[Step, Put, int | None, int]:
    """A field that is not part of a run: step, put, its size where that is always the same, the least it takes."""
    step, put, size, least = compile_present(place, codecs)
    if place.field.exists is None:
        return step, put, size, least
    return (*with_condition(place.field, place.field.exists, step, put), None, 0)


def compile_present(place: Place, codecs: Codecs) -> tuple[Step, Put, int | None, int]:
    """As `compile_field`, of a field that is certainly there."""
    field, slot, *_ = place
    size: int | None = None
    least = 0
    if isinstance(field.type, t.Validate):
        step, put = _validate(field, field.type)
    elif isinstance(field.type, t.Unused) and field.count is not None:
        step, put = _unused_array(field, field.type)
    elif field.count is None:
        item = element(field.type, codecs)
        step, put = _single(field, slot, item)
        size, least = item.size, item.least
    else:
        item = element(field.type, codecs)
        step, put = array(place, item, codecs)
        count = field.count if isinstance(field.count, int) else None
        # Elements of no size are counted one by one, so what holds them is read field by field.
        fixed = item.size and count is not None and field.pointers is None
        size = item.size * count if fixed else None  # type: ignore[operator]
        least = (count or 0) * (min(1, item.least) if field.pointers else item.least)
    if field.value is not None:
        step = with_value_class(field.value, step)
    if _normalises(field.type):
        step, put = with_residue(place, step, put)
    if codecs.careful:
        step, put = with_path(place, with_rules(place, step), put)
    return step, put, size, least


def _single(field: Field, slot: int, item: Element) -> tuple[Step, Put]:
    read, write, in_state = item.read, item.write, field.in_state

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        write(ctx, frame, frame.values[slot] if in_state else None, out)

    def skip(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        return read(ctx, frame, pos, [])

    return read if in_state else skip, put


def with_value_class(value: Callable[[Any], Any], step: Step) -> Step:
    """A step whose value is then made one of the class that names what is in it."""

    def step_with_value_class(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        end = step(ctx, frame, pos, values)
        values[-1] = _as_value_class(value, values[-1])
        return end

    return step_with_value_class


def _as_value_class(value: Callable[[Any], Any], number: Any) -> Any:
    """A value under its names, and as it is where they have none for it."""
    if isinstance(number, list):
        return [_as_value_class(value, element) for element in number]
    try:
        return number if number is None else value(number)
    except ValueError:
        return number


def _unused_array(field: Field, kind: t.Unused) -> tuple[Step, Put]:
    count = field.count
    assert count is not None

    def size(ctx: Context, frame: Frame, pos: int) -> int:
        elements, size_of_each = number(ctx, frame, count, "count", pos), number(ctx, frame, kind.size, "size", pos)
        if not size_of_each:
            ctx.count_empty(elements, pos)
        return elements * size_of_each

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        length = size(ctx, frame, pos)
        if pos + length > ctx.end:
            raise ctx.short(pos, length)
        return pos + length

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        out += bytes(size(ctx, frame, 0))

    return step, put


def _normalises(kind: t.WireType) -> bool:
    """Whether QEMU can read what it would write otherwise."""
    if isinstance(kind, t.Choice):
        return any(_normalises(case) for _, case in kind.cases)
    if isinstance(kind, t.KeyedList):
        # What ends the list is written as a zero.
        return not kind.end and kind.key.minimum < 0
    return _is_bool(kind) or isinstance(kind, t.Unused)


def with_residue(place: Place, step: Step, put: Put) -> tuple[Step, Put]:
    """A step and a put that keep the bytes as residue where what is written from their value would be others."""
    field, slot, key, *_ = place
    in_state = field.in_state

    def step_with_residue(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        end = step(ctx, frame, pos, values)
        rewritten = bytearray()
        # Only to be compared: not traced, not refused.
        entries, ctx.entries, ctx.force = ctx.entries, None, True
        put(ctx, frame, rewritten)
        ctx.entries, ctx.force = entries, False
        if rewritten != ctx.data[pos:end]:
            residue = frame.residue = frame.residue or {}
            residue[key] = bytes(ctx.data[pos:end]), _copy(values[slot]) if in_state else None
        return end

    def put_with_residue(ctx: Context, frame: Frame, out: bytearray) -> None:
        start = len(out)
        put(ctx, frame, out)
        kept = frame.residue.get(key) if frame.residue else None
        if kept is None or len(kept[0]) != len(out) - start:
            return
        if kept[1] == (frame.values[slot] if in_state else None):
            out[start:] = kept[0]

    return step_with_residue, put_with_residue


def _copy(value: Any) -> Any:
    return [_copy(element) for element in value] if isinstance(value, list) else value


def _validate(field: Field, kind: t.Validate) -> tuple[Step, Put]:
    def check(ctx: Context, frame: Frame, pos: int | None) -> None:
        if refuted(kind.condition.evaluate(frame)):
            if pos is None and ctx.broken is not None:
                rule = Rule("validate", kind.condition, f"validation failed: {field.name}")
                ctx.broken.append(Broken(rule, ctx.where()))
                return
            if pos is None:
                raise EncodeError(f"validation failed: {field.name}", path=ctx.where(), expected=repr(kind.condition))
            raise ctx.wrong(f"validation failed: {field.name}", pos, repr(kind.condition))

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        check(ctx, frame, pos)
        return pos

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        if not ctx.force:
            check(ctx, frame, None)

    return step, put


def with_rules(place: Place, step: Step) -> Step:
    """A step that notes the first value that QEMU would refuse."""
    field, slot = place.field, place.slot
    rules = [rule for rule in field.rules if not rule.mended and not rule.reads_own]
    if not rules or not field.in_state:
        return step

    def step_with_rules(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        end = step(ctx, frame, pos, values)
        for rule in rules:
            broken = None if ctx.first_broken is not None else judge(rule, frame, ctx.facts)
            if broken is not None and broken.is_judged:
                shown = repr(values[slot])
                ctx.first_broken = ctx.wrong(f"{rule.id}: {rule.text}", pos, repr(rule.holds), shown[:80])
        return end

    return step_with_rules


def with_path(place: Place, step: Step, put: Put) -> tuple[Step, Put]:
    """A step and a put that keep the path for errors and the trace."""
    field = place.field
    names = (field.attribute,) if place.element is None else (field.attribute, place.element)

    def step_with_path(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        for name in names:
            enter(ctx, name)
        entry = open_entry(ctx)
        end = step(ctx, frame, pos, values)
        close_entry(ctx, entry, pos, end, field)
        for _ in names:
            leave(ctx)
        return end

    def put_with_path(ctx: Context, frame: Frame, out: bytearray) -> None:
        for name in names:
            enter(ctx, name)
        entry, start = open_entry(ctx), len(out)
        put(ctx, frame, out)
        close_entry(ctx, entry, start, len(out), field)
        for _ in names:
            leave(ctx)

    return step_with_path, put_with_path


def with_condition(field: Field, exists: Expr, step: Step, put: Put) -> tuple[Step, Put]:
    """A step and a put for a field that is on the wire only where a condition holds; where it does not, it is None."""
    in_state = field.in_state

    def holds(ctx: Context, frame: Frame, pos: int) -> bool:
        value = exists.evaluate(frame)
        if value is UNKNOWN:
            raise ctx.wrong(f"whether {field.name!r} exists is not known: {exists}", pos)
        return bool(value)

    def step_with_condition(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        if holds(ctx, frame, pos):
            return step(ctx, frame, pos, values)
        if in_state:
            values.append(None)
        return pos

    def put_with_condition(ctx: Context, frame: Frame, out: bytearray) -> None:
        if holds(ctx, frame, 0):
            put(ctx, frame, out)

    return step_with_condition, put_with_condition
