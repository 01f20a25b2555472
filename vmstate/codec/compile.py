"""From a description to the functions that read and write it.

A description is compiled once for each version, lazily, to a list of steps. Runs of plain scalars fuse into one
`struct.Struct`; `vmstate.codec.arrays` compiles arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from vmstate.codec.arrays import array
from vmstate.codec.elements import element, number, packer
from vmstate.codec.plan import Codecs, Element, Place, Plan, Put, Step
from vmstate.codec.runtime import Context, Frame, close_entry, enter, leave, open_entry
from vmstate.codec.states import making, making_mapping, names_in_state
from vmstate.errors import EncodeError
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Leaf, VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Expr, refuted
from vmstate.vmsd.rule import Broken, Rule, judge

WIDTHS = {letter: struct.calcsize(">" + letter) for letter in "?bBhHiIqQsx"}
"""Bytes of what the letters of a `Field.run_code` stand for."""


def compile_plan(vmsd: VMStateDescription, version_id: int, codecs: Codecs) -> Plan:
    """Compile a description for a version."""
    if vmsd.leaves is not None and not codecs.careful:
        return _plan_of_leaves(vmsd, vmsd.leaves, version_id)
    return _plan_of_fields(vmsd, version_id, codecs)


def _plan_of_fields(vmsd: VMStateDescription, version_id: int, codecs: Codecs) -> Plan:
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
        step, put, width = fuse(
            [vmsd.fields[place].run_code for place in run], [keys[place] for place in run], run_slot
        )
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
        make=make,
        split=split,
        width=slot,
        size=size,
        least=least,
    )


def _plan_of_leaves(vmsd: VMStateDescription, leaves: Sequence[Leaf], version_id: int) -> Plan:
    """The fast plan of a struct of scalars and arrays of them, in which nothing depends on anything."""
    names = [name for name, _, _ in leaves]
    codes = [kind.code if count is None else f"{count}{kind.code}" for _, kind, count in leaves]
    steps: tuple[Step, ...] = ()
    puts: tuple[Put, ...] = ()
    size = 0
    if leaves:
        step, put, size = fuse(codes, names, 0)
        steps, puts = (step,), (put,)
    make, split = making_mapping(names)
    layout = dict(zip(names, range(len(names)), strict=True))
    return Plan(vmsd, version_id, False, layout, steps, puts, (), make, split, len(names), size, size)


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


def fuse(codes: Sequence[str], keys: Sequence[str], first: int) -> tuple[Step, Put, int]:
    """One struct.Struct for a run of fields, by their `Field.run_code`: step, put and size.

    `first` is the slot of the first of them that has one. What QEMU would write otherwise becomes residue under `keys`.
    """
    layout = unpacked = ">" + "".join(codes)
    shapes = [code for code in codes if code[-1] != "x"]
    last = first + len(shapes)
    arrays: list[tuple[int, int]] = []
    elements = 0
    if len(max(shapes, key=len, default="")) > 1:
        # Bytes become a list without a number in between.
        unpacked = ">" + "".join([f"{code[:-1]}s" if code[-1] == "B" and len(code) > 1 else code for code in codes])
        # Of what is unpacked, where each list of numbers begins and ends; one of bytes begins and ends where they are.
        place = 0
        for code in shapes:
            count = 1
            if len(code) > 1 and code[-1] != "s":
                elements += int(code[:-1])
                count = 0 if code[-1] == "B" else int(code[:-1])
                arrays.append((place, place + count))
            place += count or 1
    packed = packer(unpacked)
    size, unpack_from, pack = packed.size, packed.unpack_from, packer(layout).pack
    normalises = "x" in layout or "?" in layout
    truths, pads = _places_of_odd_bytes(codes) if normalises else ((), ())

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        if arrays:
            ctx.count_numbers(elements, pos)
        numbers = unpack_from(ctx.data, pos)
        if arrays:
            taken = 0
            for start, stop in arrays:
                values.extend(numbers[taken:start])
                if start == stop:
                    values.append(list(numbers[start]))
                    stop += 1
                else:
                    values.append(list(numbers[start:stop]))
                taken = stop
            values.extend(numbers[taken:])
        else:
            values.extend(numbers)
        if normalises:
            data = ctx.data
            for truth in truths:
                if data[pos + truth] > 1:
                    break
            else:
                for start, stop in pads:
                    if any(data[pos + start : pos + stop]):
                        break
                else:
                    return pos + size
            frame.residue = frame.residue or {}
            _run_residue(codes, keys, ctx, frame.residue, pos)
        return pos + size

    bools = tuple([number for number, code in enumerate(shapes) if code == "?"]) if "?" in layout else ()
    is_flat = not arrays and "s" not in layout

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        values = frame.values[first:last]
        for slot in bools:
            # To struct.pack anything is true or false.
            if type(values[slot]) is not bool:
                raise TypeError
        out += pack(*(values if is_flat else _flat(shapes, values)))

    return step, put, size


def _places_of_odd_bytes(codes: Sequence[str]) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Where in a run the bytes of bools are, and where those of padding begin and end."""
    truths: list[int] = []
    pads: list[tuple[int, int]] = []
    place = 0
    for code in codes:
        width = WIDTHS[code[-1]] * int(code[:-1] or 1)
        if code[-1] == "?":
            truths.extend(range(place, place + width))
        elif code[-1] == "x":
            pads.append((place, place + width))
        place += width
    return tuple(truths), tuple(pads)


def _flat(shapes: Sequence[str], values: list[Any]) -> list[Any]:
    """What struct.pack takes for the values of a run. Raises `TypeError` for what it would take for something else."""
    flat: list[Any] = []
    for code, value in zip(shapes, values, strict=True):
        if len(code) == 1:
            flat.append(value)
        elif len(value) != int(code[:-1]):
            raise TypeError
        elif code[-1] == "s":
            # It takes nothing but bytes, and would cut or fill them to its length.
            flat.append(value)
        elif isinstance(value, (str, bytes, dict)) or (code[-1] == "?" and not {bool}.issuperset(map(type, value))):
            raise TypeError
        else:
            flat += value
    return flat


def _run_residue(
    codes: Sequence[str], keys: Sequence[str], ctx: Context, residue: dict[str, tuple[bytes, Any]], pos: int
) -> None:
    for code, key in zip(codes, keys, strict=True):
        size = WIDTHS[code[-1]] * int(code[:-1] or 1)
        raw = bytes(ctx.data[pos : pos + size])
        pos += size
        if code[-1] == "x" and any(raw):
            residue[key] = raw, None
        elif code[-1] == "?" and max(raw) > 1:
            truths = [byte != 0 for byte in raw]
            residue[key] = raw, truths if len(code) > 1 else truths[0]


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
        # What ends the list is written in one way.
        return kind.mask != -1 or (not kind.end and kind.key.minimum < 0)
    return isinstance(kind, t.Unused) or (isinstance(kind, t.Scalar) and kind.code == "?")


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
        entry = open_entry(ctx, pos, field)
        end = step(ctx, frame, pos, values)
        close_entry(ctx, entry, pos, end, field)
        for _ in names:
            leave(ctx)
        return end

    def put_with_path(ctx: Context, frame: Frame, out: bytearray) -> None:
        for name in names:
            enter(ctx, name)
        start = len(out)
        entry = open_entry(ctx, start, field)
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
