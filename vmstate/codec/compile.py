"""From a description to the functions that read and write it.

A description is compiled once for each version, lazily, to a list of steps. Runs of plain scalars fuse into one
`struct.Struct`; arrays of scalars are read in one call; arrays of fixed structs become `Records`.

There are two plans: the fast one knows no paths; the careful one reads field by field. Where the fast plan fails, the
careful one is run over the same bytes to say where, and it is the one that traces and that writes residue back.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any

from vmstate.codec.elements import (
    FOLLOWS,
    NULL,
    Element,
    as_list,
    byte_at,
    element,
    nullptr,
    number,
    packer,
    refuse,
)
from vmstate.codec.records import Records
from vmstate.codec.rows import Rows, rows_of
from vmstate.codec.runtime import Broken, Context, Frame, TraceEntry, enter, leave
from vmstate.errors import EncodeError, VersionError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.declare import nested
from vmstate.vmsd.description import Field, Pointers, Rule, Subsection, VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Expr, UnknownFact, refuted
from vmstate.vmsd.path import format_path
from vmstate.vmsd.state import META, Meta, SentSubsection, State, ensure_meta, meta_of

SUBSECTION = 0x05

Step = Callable[[Context, Frame, int, list[Any]], int]
Put = Callable[[Context, Frame, bytearray], None]
Make = Callable[[list[Any]], Any]


class Plan(NamedTuple):
    """A description compiled for one version."""

    vmsd: VMStateDescription
    version_id: int
    careful: bool
    layout: Mapping[str, int]
    steps: tuple[Step, ...]
    puts: tuple[Put, ...]
    subsections: tuple[tuple[int, Subsection], ...]
    rules: tuple[tuple[str | None, Rule], ...]
    make: Make
    split: Callable[[Any], list[Any]]
    width: int
    size: int | None
    least: int


class FixedStruct:
    """A struct that always has the same size, read from exactly that many bytes."""

    def __init__(self, plan: Plan, size: int) -> None:
        self.size = size
        self._plan = plan

    @cached_property
    def rows(self) -> Rows | None:
        """The quick way to its bytes and back, where there is one."""
        return rows_of(self._plan.vmsd, self._plan.version_id)

    def make(self, raw: bytes) -> Any:
        """The state that stands in the bytes."""
        made: list[Any] = []
        read_struct(self._plan, Context(raw), None, 0, made)
        return made[0]

    def __deepcopy__(self, memo: dict[int, Any]) -> FixedStruct:
        # What cannot change can be shared.
        return self


class Place(NamedTuple):
    """A field, the slot of its value in a frame, and the key of its residue.

    Where the name repeats the state has one list for all: `element` is the index that the value has in it, `first`
    the one that the first element of an array has in it.
    """

    field: Field
    slot: int
    key: str
    element: int | None = None
    first: int = 0


class Codecs:
    """All plans of one kind: fast or careful."""

    def __init__(self, careful: bool) -> None:
        self.careful = careful

    def plan(self, vmsd: VMStateDescription, version_id: int) -> Plan:
        """The plan of a description at a version; a description keeps its plans."""
        plan: Plan | None = vmsd.compiled.get((version_id, self.careful))
        if plan is None:
            plan = vmsd.compiled[version_id, self.careful] = compile_plan(vmsd, version_id, self)
        return plan

    def struct_element(self, vmsd: VMStateDescription, version: int | None) -> Element:
        """A struct as an element of a field."""
        version_id = vmsd.version_id if version is None else version
        plan = self.plan(vmsd, version_id)

        def read(ctx: Context, frame: Frame | None, pos: int, out: list[Any]) -> int:
            return read_struct(plan, ctx, frame, pos, out)

        def write(ctx: Context, frame: Frame | None, value: Any, out: bytearray) -> None:
            write_struct(plan, ctx, frame, value, out)

        return Element(read, write, plan.size, plan.least)


def read_struct(plan: Plan, ctx: Context, outer: Frame | None, pos: int, out: list[Any]) -> int:
    """Read the fields and subsections of a struct."""
    frame = Frame(ctx, plan.layout, outer, plan.version_id)
    values = frame.values
    for step in plan.steps:
        pos = step(ctx, frame, pos, values)
    if pos >= ctx.end:
        if not ctx.final:
            raise ctx.short(pos, 1)
        values.extend([None] * len(plan.subsections))
    elif ctx.data[pos] == SUBSECTION:
        pos = read_subsections(plan, ctx, frame, pos)
    else:
        values.extend([None] * len(plan.subsections))
    state = plan.make(values)
    if frame.residue is not None or frame.subsections is not None:
        meta = ensure_meta(state)
        meta.residue.update(frame.residue or {})
        meta.subsections = frame.subsections
    out.append(state)
    return pos


def subsection_header(vmsd: VMStateDescription, version_id: int) -> bytes:
    """The header QEMU writes: 0x05, u8 length, name, be32 version."""
    name = vmsd.wire_name
    return bytes((SUBSECTION, len(name))) + name + version_id.to_bytes(4, "big")


def read_subsections(plan: Plan, ctx: Context, frame: Frame, pos: int) -> int:
    """Read what follows the fields, as long as it is a subsection of this struct. The order is free."""
    first = len(frame.values)
    frame.values.extend([None] * len(plan.subsections))
    sent: list[SentSubsection] = []
    bodies: list[slice] = []
    while (name := peek_subsection(ctx, plan.vmsd, pos)) is not None:
        index, sub = find_subsection(ctx, plan.vmsd, name, pos)
        start, body = pos, pos + 6 + len(name)
        pos = _read_subsection(ctx, frame, start, body, sub, first + index)
        sent.append(SentSubsection(index, sub.attribute, bytes(ctx.data[start:body])))
        bodies.append(slice(body, pos))
    straight = all(one.number < two.number for one, two in pairwise(sent))
    if not straight or any(one.header != _own_header(plan, frame, first, one.number) for one in sent):
        # A subsection that comes again overwrites what it said before: of the earlier one only the bytes are kept.
        last = {one.number: place for place, one in enumerate(sent)}
        frame.subsections = [
            one if last[one.number] == place else one._replace(earlier=bytes(ctx.data[bodies[place]]))
            for place, one in enumerate(sent)
        ]
    return pos


def _own_header(plan: Plan, frame: Frame, first: int, index: int) -> bytes:
    meta = meta_of(frame.values[first + index])
    sub = plan.subsections[index][1]
    return subsection_header(sub.vmsd, version_to_write(sub.vmsd, meta, None))


def peek_subsection(ctx: Context, vmsd: VMStateDescription, pos: int) -> bytes | None:
    """The name of the subsection that stands at `pos`, if it is one of this struct."""
    parent = vmsd.wire_name
    if not _is_there(ctx, pos, 1) or ctx.data[pos] != SUBSECTION or not _is_there(ctx, pos, 2):
        return None
    length = ctx.data[pos + 1]
    # What is there may tell already: nothing is waited for that makes no difference.
    if length <= len(parent) or not parent.startswith(bytes(ctx.data[pos + 2 : pos + 2 + len(parent)])):
        return None
    if not _is_there(ctx, pos, 2 + length):
        return None
    name = bytes(ctx.data[pos + 2 : pos + 2 + length])
    return name if name.startswith(parent) else None


def _is_there(ctx: Context, pos: int, size: int) -> bool:
    """Whether there is so much to look at; where more data may come, it must."""
    if pos + size > ctx.end and not ctx.final:
        raise ctx.short(pos, size)
    return pos + size <= ctx.end


def find_subsection(ctx: Context, vmsd: VMStateDescription, name: bytes, pos: int) -> tuple[int, Subsection]:
    """The subsection of that name."""
    # QEMU compares C strings: what follows a NUL does not count.
    text = name.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    for index, sub in enumerate(vmsd.subsections):
        if sub.vmsd.name == text:
            return index, sub
    known = ", ".join(sub.vmsd.name for sub in vmsd.subsections) or "none"
    raise ctx.wrong(f"VM subsection {text!r} in {vmsd.name!r} does not exist", pos, known, text)


def _read_subsection(ctx: Context, frame: Frame, start: int, body: int, sub: Subsection, slot: int) -> int:
    enter(ctx, sub.attribute)
    if body > ctx.end:
        raise ctx.short(body - 4, 4)
    # QEMU keeps the version in eight bits.
    version_id = ctx.data[body - 1]
    check_version(ctx, sub.vmsd, version_id, body - 4)
    plan = (CAREFUL if ctx.path is not None else FAST).plan(sub.vmsd, version_id)
    read: list[Any] = []
    entry = _open_entry(ctx)
    behind = read_struct(plan, ctx, frame, body, read)
    _close_entry(ctx, entry, start, behind, None)
    leave(ctx)
    if version_id != sub.vmsd.version_id:
        ensure_meta(read[0]).version_id = version_id
    frame.values[slot] = read[0]
    return behind


def check_version(ctx: Context, vmsd: VMStateDescription, version_id: int, pos: int) -> None:
    """QEMU's check of an incoming version."""
    if version_id > vmsd.version_id:
        raise _wrong_version(ctx, vmsd, version_id, pos, vmsd.version_id, "too new", "at most")
    if version_id < vmsd.minimum_version_id:
        raise _wrong_version(ctx, vmsd, version_id, pos, vmsd.minimum_version_id, "too old", "at least")


def _wrong_version(
    ctx: Context, vmsd: VMStateDescription, version_id: int, pos: int, known: int, what: str, limit: str
) -> VersionError:
    wrong = ctx.wrong(f"{vmsd.name}: the version is {what}", pos, f"{limit} version {known}", str(version_id))
    error = VersionError(
        wrong.message, path=wrong.path, offset=wrong.offset, expected=wrong.expected, found=wrong.found
    )
    error.description, error.version_id, error.known = vmsd.name, version_id, known
    return error


def version_to_write(vmsd: VMStateDescription, meta: Meta | None, asked: int | None) -> int:
    """The version a state is written at: the one asked for, the one it was read at, or the description's own."""
    if asked is not None:
        return asked
    return vmsd.version_id if meta is None or meta.version_id is None else meta.version_id


def write_struct(plan: Plan, ctx: Context, outer: Frame | None, state: Any, out: bytearray) -> None:
    """Write the fields and subsections of a struct."""
    meta = meta_of(state)
    if meta is not None and meta.residue and not plan.careful:
        plan = CAREFUL.plan(plan.vmsd, plan.version_id)
    frame = Frame(ctx, plan.layout, outer, plan.version_id)
    if state is None:
        raise refuse(ctx, state, f"the state of {plan.vmsd.name!r}")
    try:
        frame.values = plan.split(state)
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise refuse(ctx, state, f"the state of {plan.vmsd.name!r}: {error}") from None
    if meta is not None:
        frame.residue = meta.residue
    # Before anything is written: a rule of QEMU's says more than the value that does not fit because of it.
    if plan.rules and not ctx.force:
        _apply_rules(plan, ctx, frame)
    for put in plan.puts:
        put(ctx, frame, out)
    if plan.subsections:
        _write_subsections(plan, ctx, frame, meta, out)


def _apply_rules(plan: Plan, ctx: Context, frame: Frame) -> None:
    for attribute, rule in plan.rules:
        try:
            holds = rule.holds.evaluate(frame)
        except UnknownFact:
            raise
        except VMStateError:
            # A value is not of the kind it must be: writing it says so.
            continue
        if not refuted(holds):
            continue
        steps = [*(ctx.path or ()), *([] if attribute is None else [attribute])]
        if ctx.broken is not None:
            ctx.broken.append(Broken(rule.id, format_path(steps) or None, rule.text, rule.mended))
            continue
        if rule.mended:
            continue
        raise EncodeError(f"{rule.id}: {rule.text}", path=format_path(steps) or None, expected=repr(rule.holds))


def _write_subsections(plan: Plan, ctx: Context, frame: Frame, meta: Meta | None, out: bytearray) -> None:
    first = plan.width - len(plan.subsections)
    for sent in _order_to_write(plan, meta):
        sub = plan.subsections[sent.number][1]
        value = frame.values[first + sent.number]
        if value is None:
            continue
        enter(ctx, sub.attribute)
        entry, start = _open_entry(ctx), len(out)
        if sent.earlier is not None:
            out += sent.header + sent.earlier
            _close_entry(ctx, entry, start, len(out), None)
            leave(ctx)
            continue
        version_id = version_to_write(sub.vmsd, meta_of(value), None)
        check_version_to_write(ctx, sub.vmsd, version_id)
        # An odd header stays, but not if the state is now of another version.
        own = not sent.header or sent.header[-1] != version_id & 0xFF
        out += subsection_header(sub.vmsd, version_id) if own else sent.header
        plan_of_sub = (CAREFUL if ctx.path is not None else FAST).plan(sub.vmsd, version_id)
        write_struct(plan_of_sub, ctx, frame, value, out)
        _close_entry(ctx, entry, start, len(out), None)
        leave(ctx)


def _order_to_write(plan: Plan, meta: Meta | None) -> list[SentSubsection]:
    """The order the subsections came in; one that did not come goes where it belongs among them."""
    order = [] if meta is None or meta.subsections is None else list(meta.subsections)
    came = {sent.number for sent in order}
    for index, sub in plan.subsections:
        if index not in came:
            behind = (place for place, sent in enumerate(order) if sent.number > index)
            order.insert(next(behind, len(order)), SentSubsection(index, sub.attribute, b""))
    return order


def check_version_to_write(ctx: Context, vmsd: VMStateDescription, version_id: int) -> None:
    """A version that the description does not have cannot be written."""
    if not vmsd.minimum_version_id <= version_id <= vmsd.version_id:
        raise EncodeError(
            f"{vmsd.name!r} has no version {version_id}",
            path=ctx.where(),
            expected=f"{vmsd.minimum_version_id} to {vmsd.version_id}",
            found=str(version_id),
        )


def compile_plan(vmsd: VMStateDescription, version_id: int, codecs: Codecs) -> Plan:
    """Compile a description for a version."""
    steps: list[Step] = []
    puts: list[Put] = []
    run: list[int] = []
    run_slot = slot = 0
    size: int | None = 0
    least = 0
    layout: dict[str, int] = {}
    rules: list[tuple[str | None, Rule]] = []
    keys, places = _names_in_state(vmsd)

    def close_run() -> None:
        nonlocal size, least
        step, put, width = fuse([vmsd.fields[place] for place in run], [keys[place] for place in run], run_slot)
        steps.append(step)
        puts.append(put)
        size = None if size is None else size + width
        least += width
        run.clear()

    for index, field in enumerate(vmsd.fields):
        if field.rules:
            rules.extend((field.attribute, rule) for rule in field.rules)
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
    rules.extend((None, rule) for rule in vmsd.rules)
    make, split = _making(vmsd)
    return Plan(
        vmsd=vmsd,
        version_id=version_id,
        careful=codecs.careful,
        layout=layout,
        steps=tuple(steps),
        puts=tuple(puts),
        subsections=tuple(enumerate(vmsd.subsections)),
        rules=tuple(rules),
        make=make,
        split=split,
        width=slot,
        size=size,
        least=least,
    )


def _names_in_state(vmsd: VMStateDescription) -> tuple[Sequence[str], Sequence[tuple[int | None, int]]]:
    """Of each field, under what its residue is kept, and `Place.element` and `Place.first`."""
    names = [field.attribute for field in vmsd.fields]
    if len(set(names)) == len(names):
        return names, [(None, 0)] * len(names)
    keys = [
        name if names.count(name) == 1 else f"{name}[{names[:number].count(name)}]" for number, name in enumerate(names)
    ]
    return keys, _gathered_places(vmsd)


def _gathered_places(vmsd: VMStateDescription) -> list[tuple[int | None, int]]:
    names = [field.attribute for field in vmsd.fields if field.in_state]
    places: list[tuple[int | None, int]] = []
    taken = dict.fromkeys((name for name in names if names.count(name) > 1), 0)
    for field in vmsd.fields:
        if not field.in_state or field.attribute not in taken:
            places.append((None, 0))
            continue
        start, count = taken[field.attribute], _constant_count(vmsd, field)
        places.append((start, 0) if count is None else (None, start))
        taken[field.attribute] = start + (1 if count is None else count)
    return places


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
        found = unpack_from(ctx.data, pos)
        values.extend(found)
        end = pos + size
        if normalises and pack(*found) != ctx.data[pos:end]:
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
    return (*_conditional(place.field, place.field.exists, step, put), None, 0)


def compile_present(place: Place, codecs: Codecs) -> tuple[Step, Put, int | None, int]:
    """The same for a field that is there."""
    field, slot, *_ = place
    size: int | None = None
    least = 0
    if isinstance(field.type, t.Validate):
        step, put = _validate(field, field.type)
    elif isinstance(field.type, t.Unused) and field.count is not None:
        step, put = _unused_array(field, field.type)
    elif field.count is None:
        one = element(field.type, codecs)
        step, put = _single(field, slot, one)
        size, least = one.size, one.least
    else:
        one = element(field.type, codecs)
        step, put = _array(place, one, codecs)
        count = field.count if isinstance(field.count, int) else None
        fixed = one.size is not None and count is not None and field.pointers is None
        size = one.size * count if fixed else None  # type: ignore[operator]
        least = (count or 0) * (min(1, one.least) if field.pointers else one.least)
    if field.value is not None:
        step = _valued(field.value, step)
    if _normalises(field.type):
        step, put = _keeping(place, step, put)
    if codecs.careful:
        step, put = _told(place, _watched(place, step), put)
    return step, put, size, least


def _single(field: Field, slot: int, one: Element) -> tuple[Step, Put]:
    read, write, in_state = one.read, one.write, field.in_state

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        write(ctx, frame, frame.values[slot] if in_state else None, out)

    def skip(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        return read(ctx, frame, pos, [])

    return read if in_state else skip, put


def _valued(value: Callable[[Any], Any], step: Step) -> Step:
    """The same, with what is read as a value of another class."""

    def valued_step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        end = step(ctx, frame, pos, values)
        values[-1] = _named(value, values[-1])
        return end

    return valued_step


def _named(value: Callable[[Any], Any], one: Any) -> Any:
    """A value under its names, and as it is where they have none for it."""
    if isinstance(one, list):
        return [_named(value, part) for part in one]
    try:
        return one if one is None else value(one)
    except ValueError:
        return one


def _unused_array(field: Field, kind: t.Unused) -> tuple[Step, Put]:
    count = field.count
    assert count is not None

    def size(ctx: Context, frame: Frame, pos: int) -> int:
        return number(ctx, frame, count, "count", pos) * number(ctx, frame, kind.size, "size", pos)

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
    return _is_bool(kind) or isinstance(kind, t.Unused)


def _keeping(place: Place, step: Step, put: Put) -> tuple[Step, Put]:
    """The same, with the bytes kept as residue where what is written from their value would be others."""
    field, slot, key, *_ = place
    in_state = field.in_state

    def keeping_step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        end = step(ctx, frame, pos, values)
        own = bytearray()
        put(ctx, frame, own)
        if own != ctx.data[pos:end]:
            residue = frame.residue = frame.residue or {}
            residue[key] = bytes(ctx.data[pos:end]), _copy(values[slot]) if in_state else None
        return end

    def keeping_put(ctx: Context, frame: Frame, out: bytearray) -> None:
        start = len(out)
        put(ctx, frame, out)
        kept = frame.residue.get(key) if frame.residue else None
        if kept is None or len(kept[0]) != len(out) - start:
            return
        if kept[1] == (frame.values[slot] if in_state else None):
            out[start:] = kept[0]

    return keeping_step, keeping_put


def _copy(value: Any) -> Any:
    return [_copy(one) for one in value] if isinstance(value, list) else value


def _validate(field: Field, kind: t.Validate) -> tuple[Step, Put]:
    def check(ctx: Context, frame: Frame, pos: int | None) -> None:
        if refuted(kind.condition.evaluate(frame)):
            if pos is None and ctx.broken is not None:
                ctx.broken.append(Broken("validate", ctx.where(), f"validation failed: {field.name}"))
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


def _watched(place: Place, step: Step) -> Step:
    """The same, with the first value noted that QEMU would refuse."""
    field, slot = place.field, place.slot
    rules = [rule for rule in field.rules if not rule.mended]
    if not rules or not field.in_state:
        return step

    def watched_step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        end = step(ctx, frame, pos, values)
        for rule in rules:
            if ctx.suspect is None and refuted(rule.holds.evaluate(frame)):
                found = repr(values[slot])
                ctx.suspect = ctx.wrong(f"{rule.id}: {rule.text}", pos, repr(rule.holds), found[:80])
        return end

    return watched_step


def _told(place: Place, step: Step, put: Put) -> tuple[Step, Put]:
    """The same, with the path kept for errors and the trace."""
    field = place.field
    path = (field.attribute,) if place.element is None else (field.attribute, place.element)

    def told_step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        for one in path:
            enter(ctx, one)
        entry = _open_entry(ctx)
        end = step(ctx, frame, pos, values)
        _close_entry(ctx, entry, pos, end, field)
        for _ in path:
            leave(ctx)
        return end

    def told_put(ctx: Context, frame: Frame, out: bytearray) -> None:
        for one in path:
            enter(ctx, one)
        entry, start = _open_entry(ctx), len(out)
        put(ctx, frame, out)
        _close_entry(ctx, entry, start, len(out), field)
        for _ in path:
            leave(ctx)

    return told_step, told_put


def _open_entry(ctx: Context) -> str | None:
    if ctx.entries is None or ctx.path is None:
        return None
    path = format_path(ctx.path)
    if path in ctx.entries:
        ctx.repeats[path] = ctx.repeats.get(path, 0) + 1
        path += f" #{ctx.repeats[path]}"
    # Its place in the order of the wire is taken before what is inside it.
    ctx.entries[path] = TraceEntry(0, 0, None)
    return path


def _close_entry(ctx: Context, path: str | None, pos: int, end: int, field: Field | None) -> None:
    if path is not None and ctx.entries is not None:
        ctx.entries[path] = TraceEntry(ctx.base + pos, end - pos, field)


def _conditional(field: Field, exists: Expr, step: Step, put: Put) -> tuple[Step, Put]:
    in_state = field.in_state

    def holds(ctx: Context, frame: Frame, pos: int) -> bool:
        value = exists.evaluate(frame)
        if value is UNKNOWN:
            raise ctx.wrong(f"whether {field.name!r} exists is not known: {exists}", pos)
        return bool(value)

    def conditional_step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        if holds(ctx, frame, pos):
            return step(ctx, frame, pos, values)
        if in_state:
            values.append(None)
        return pos

    def conditional_put(ctx: Context, frame: Frame, out: bytearray) -> None:
        if holds(ctx, frame, 0):
            put(ctx, frame, out)

    return conditional_step, conditional_put


def _array(place: Place, one: Element, codecs: Codecs) -> tuple[Step, Put]:
    field, slot, *_ = place
    if field.pointers is not None:
        return _sequence(place, _pointer(field, one))
    kind = field.type
    if isinstance(kind, t.Scalar) and kind.order != "words":
        return _scalars(field, kind, slot)
    if type(kind) is t.Struct and one.size is not None and kind.vmsd.name:
        return _records(place, one, kind, codecs)
    return _sequence(place, one)


def _pointer(field: Field, one: Element) -> Element:
    """The element of an array of pointers: a NULL is None."""
    nulls = field.nulls

    def write_marked(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        out.append(NULL if value is None else FOLLOWS)
        if value is not None:
            one.write(ctx, frame, value, out)

    def read_marked(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        marker = byte_at(ctx, pos)
        if marker == FOLLOWS:
            return one.read(ctx, frame, pos + 1, out)
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
            return (null if len(out) in where else one).read(ctx, frame, pos, out)
        if where != t.NULLS_MARKED or byte_at(ctx, pos) != NULL:
            return one.read(ctx, frame, pos, out)
        out.append(None)
        return pos + 1

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if value is None:
            out.append(NULL)
        else:
            one.write(ctx, frame, value, out)

    return Element(read, write, None, min(1, one.least))


def counted(ctx: Context, frame: Frame, field: Field, value: Any, pos: int) -> list[Any]:
    """The elements to write, as many as the count says."""
    flat = as_list(ctx, value)
    for _ in (field.dims or ())[1:]:
        flat = [element for row in flat for element in as_list(ctx, row)]
    assert field.count is not None
    count = number(ctx, frame, field.count, "count", pos)
    if len(flat) != count:
        raise refuse(ctx, f"{len(flat)} elements", f"{count} elements, as {field.count} says")
    return flat  # type: ignore[no-any-return]


def _scalars(field: Field, kind: t.Scalar, slot: int) -> tuple[Step, Put]:
    """An array of scalars, in one call."""
    size, code, order, count = kind.size, kind.code, kind.order, field.count
    dims = field.dims
    assert count is not None
    told = t.ORDERS.get(order)
    fixed = packer(f"{order}{count}{code}") if isinstance(count, int) and told is None else None

    def packed(ctx: Context, frame: Frame, elements: int) -> struct.Struct:
        return fixed or packer(f"{order if told is None else byte_order(ctx, frame, told)}{elements}{code}")

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        elements = number(ctx, frame, count, "count", pos)
        end = pos + elements * size
        if end > ctx.end:
            raise ctx.short(pos, elements * size)
        found = packed(ctx, frame, elements).unpack_from(ctx.data, pos)
        values.append(nested(list(found), dims) if dims else list(found))
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


def byte_order(ctx: Context, frame: Frame, told: Expr) -> str:
    """The byte order that a fact tells, as the struct module writes it."""
    order = told.evaluate(frame)
    if order not in ("little", "big"):
        raise ctx.wrong(f"{told} is no byte order", 0, "little or big", repr(order))
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


def _sequence(place: Place, one: Element) -> tuple[Step, Put]:
    """An array of anything, element by element."""
    field, slot, first = place.field, place.slot, place.first
    count, dims, least = field.count, field.dims, one.least
    assert count is not None

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        elements = number(ctx, frame, count, "count", pos)
        _room(ctx, elements, least, pos)
        found: list[Any] = []
        for index in range(elements):
            enter_element(ctx, first + index, dims)
            before, pos = pos, one.read(ctx, frame, pos, found)
            if pos == before:
                ctx.count_empty(1, pos)
            leave_element(ctx, dims)
        values.append(nested(found, dims) if dims else found)
        return pos

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        for index, value in enumerate(counted(ctx, frame, field, frame.values[slot], 0), first):
            enter_element(ctx, index, dims)
            one.write(ctx, frame, value, out)
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


def _records(place: Place, one: Element, kind: t.Struct, codecs: Codecs) -> tuple[Step, Put]:
    """An array of structs of fixed size: the bytes are kept, and elements made when they are looked at."""
    field, slot, *_ = place
    count, dims = field.count, field.dims
    size = one.size or 0
    assert count is not None
    by_element, put_each = _sequence(place, one)
    if dims:
        return by_element, put_each
    name = kind.vmsd.wire_name
    version_id = kind.vmsd.version_id if kind.version is None else kind.version
    fixed = fixed_struct(kind.vmsd, version_id)

    def step(ctx: Context, frame: Frame, pos: int, values: list[Any]) -> int:
        elements = number(ctx, frame, count, "count", pos)
        _room(ctx, elements, size, pos)
        end = pos + elements * size
        raw = bytes(ctx.data[pos:end])
        # Behind each element QEMU looks for a subsection; it would have to name the struct.
        named = name in bytes(ctx.data[pos : end + 2 + len(name)])
        if named or ctx.path is not None or (not ctx.final and end >= ctx.end):
            return by_element(ctx, frame, pos, values)
        if size == 0:
            ctx.count_empty(elements, pos)
        values.append(Records(fixed, raw, elements))
        return end

    def put(ctx: Context, frame: Frame, out: bytearray) -> None:
        value = frame.values[slot]
        if ctx.path is not None:
            put_each(ctx, frame, out)
            return
        flat = counted(ctx, frame, field, value, 0)
        kept = value.patches(fixed) if isinstance(value, Records) else None
        if kept is None:
            rows = None if fixed.rows is None else fixed.rows.write(flat)
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
            one.write(ctx, frame, state, patch)
            out[start + index * size : start + (index + 1) * size] = patch

    return step, put


def fixed_struct(vmsd: VMStateDescription, version_id: int) -> FixedStruct:
    """A struct of fixed size as `Records` needs it; one for each description and version."""
    found: FixedStruct | None = vmsd.compiled.get((version_id, "fixed"))
    if found is None:
        plan = FAST.plan(vmsd, version_id)
        found = vmsd.compiled[version_id, "fixed"] = FixedStruct(plan, plan.size or 0)
    return found


def _making(vmsd: VMStateDescription) -> tuple[Make, Callable[[Any], list[Any]]]:
    names = [field.attribute for field in vmsd.fields if field.in_state]
    names += [sub.attribute for sub in vmsd.subsections]
    if vmsd.state_class is not None:
        return _making_object(vmsd.state_class, names)
    if len(set(names)) == len(names):
        return _making_mapping(names)
    return _gathering(vmsd, names)


def _making_object(cls: type, names: list[str]) -> tuple[Make, Callable[[Any], list[Any]]]:
    setters = [getattr(cls, name).__set__ for name in names]
    set_meta = getattr(cls, META).__set__
    new: Any = cls.__new__

    def make(values: list[Any]) -> Any:
        state = new(cls)
        for setter, value in zip(setters, values, strict=True):
            setter(state, value)
        set_meta(state, None)
        return state

    get = attrgetter(*names) if names else None

    def split(state: Any) -> list[Any]:
        if get is None:
            return []
        return list(get(state)) if len(names) > 1 else [get(state)]

    return make, split


def _making_mapping(names: list[str]) -> tuple[Make, Callable[[Any], list[Any]]]:
    def make(values: list[Any]) -> Any:
        return State(zip(names, values, strict=True))

    def split(state: Any) -> list[Any]:
        return [state[name] for name in names]

    return make, split


def _gathering(vmsd: VMStateDescription, names: list[str]) -> tuple[Make, Callable[[Any], list[Any]]]:
    """A state in which a wire name that repeats is one list; arrays of a constant count are spread in it."""
    counts = [_constant_count(vmsd, field) for field in vmsd.fields if field.in_state]
    counts += [None] * len(vmsd.subsections)
    repeated = {name for name in names if names.count(name) > 1}

    def make(values: list[Any]) -> Any:
        state = State()
        for name, count, value in zip(names, counts, values, strict=True):
            if name not in repeated:
                dict.__setitem__(state, name, value)
            elif count is None:
                state.setdefault(name, []).append(value)
            else:
                state.setdefault(name, []).extend(value)
        return state

    def split(state: Any) -> list[Any]:
        taken = dict.fromkeys(repeated, 0)
        values: list[Any] = []
        for name, count in zip(names, counts, strict=True):
            if name not in repeated:
                values.append(state[name])
                continue
            start = taken[name]
            taken[name] = stop = start + (1 if count is None else count)
            values.append(state[name][start] if count is None else list(state[name][start:stop]))
        for name, used in taken.items():
            if used != len(state[name]):
                raise IndexError(f"{name!r} has {len(state[name])} elements, not {used}")
        return values

    return make, split


def _constant_count(vmsd: VMStateDescription, field: Field) -> int | None:
    """The number of elements, where it is always the same: others cannot be told apart again."""
    always = field.exists is None and field.version <= vmsd.minimum_version_id and field.dims is None
    return field.count if always and isinstance(field.count, int) else None


FAST = Codecs(careful=False)
CAREFUL = Codecs(careful=True)
