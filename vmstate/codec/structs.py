"""A struct by its plan: its fields, and the subsections behind them."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, cast

from vmstate.codec.plan import CAREFUL, FAST, Codecs, Element, Plan
from vmstate.codec.runtime import Context, Frame, close_entry, enter, leave, open_entry, refuse
from vmstate.errors import EncodeError, VersionError
from vmstate.vmsd.description import Subsection, VMStateDescription
from vmstate.vmsd.rule import Rule, judge
from vmstate.vmsd.state import Meta, SentSubsection, ensure_meta, meta_of

SUBSECTION = 0x05

SHOWN = 16
"""The most names of subsections in a message."""


def struct_element(codecs: Codecs, vmsd: VMStateDescription, version: int | None) -> Element:
    """A struct as an element of a field."""
    version_id = vmsd.version_id if version is None else version
    plan = codecs.plan(vmsd, version_id)

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
    if plan.subsections:
        values.extend([None] * len(plan.subsections))
    if pos < ctx.end:
        if ctx.data[pos] == SUBSECTION:
            pos = read_subsections(plan, ctx, frame, pos)
    elif not ctx.final:
        raise ctx.short(pos, 1)
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
    first = len(frame.values) - len(plan.subsections)
    sent: list[SentSubsection] = []
    bodies: list[slice] = []
    while (name := peek_subsection(ctx, plan.vmsd, pos)) is not None:
        index, sub = find_subsection(ctx, plan.vmsd, name, pos)
        start, body = pos, pos + 6 + len(name)
        pos = _read_subsection(ctx, frame, start, body, sub, first + index)
        sent.append(SentSubsection(index, sub.attribute, bytes(ctx.data[start:body])))
        bodies.append(slice(body, pos))
    in_order = all(subsection.number < following.number for subsection, following in pairwise(sent))
    if not in_order or any(
        subsection.header != _own_header(plan, frame, first, subsection.number) for subsection in sent
    ):
        # A subsection that comes again overwrites what it said before: of the earlier one only the bytes are kept.
        last = {subsection.number: place for place, subsection in enumerate(sent)}
        frame.subsections = [
            subsection
            if last[subsection.number] == place
            else subsection._replace(earlier=bytes(ctx.data[bodies[place]]))
            for place, subsection in enumerate(sent)
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
    by_name: dict[str, tuple[int, Subsection]] | None = vmsd.compiled.get("by name")
    if by_name is None:
        # The first of a name counts.
        numbered = reversed(list(enumerate(vmsd.subsections)))
        by_name = vmsd.compiled["by name"] = {sub.vmsd.name: (index, sub) for index, sub in numbered}
    if text in by_name:
        return by_name[text]
    names = [sub.vmsd.name for sub in vmsd.subsections]
    known = ", ".join(names[:SHOWN]) or "none"
    if len(names) > SHOWN:
        known += f" and {len(names) - SHOWN} more"
    raise ctx.wrong(f"VM subsection {text!r} in {vmsd.name!r} does not exist", pos, known, text)


def _read_subsection(ctx: Context, frame: Frame, start: int, body: int, sub: Subsection, slot: int) -> int:
    enter(ctx, sub.attribute)
    if body > ctx.end:
        raise ctx.short(body - 4, 4)
    # QEMU keeps the version in eight bits.
    version_id = ctx.data[body - 1]
    check_version(ctx, sub.vmsd, version_id, body - 4)
    plan = (CAREFUL if ctx.path is not None else FAST).plan(sub.vmsd, version_id)
    states: list[Any] = []
    entry = open_entry(ctx, start)
    behind = read_struct(plan, ctx, frame, body, states)
    close_entry(ctx, entry, start, behind, None)
    leave(ctx)
    if version_id != sub.vmsd.version_id:
        ensure_meta(states[0]).version_id = version_id
    frame.values[slot] = states[0]
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
    if not ctx.force:
        _apply_rules(plan, ctx, frame)
    for put in plan.puts:
        put(ctx, frame, out)
    if plan.subsections:
        _write_subsections(plan, ctx, frame, meta, out)


def _rules_of(vmsd: VMStateDescription, *, careful: bool) -> tuple[tuple[str | None, Rule], ...]:
    """(attribute, rule) of the fields, then those of the whole; a description keeps them."""
    known: tuple[tuple[str | None, Rule], ...] | None = vmsd.compiled.get(("rules", careful))
    if known is None:
        rules: list[tuple[str | None, Rule]]
        if careful:
            rules = [(field.attribute, rule) for field in vmsd.fields for rule in field.checks]
        else:
            # What the destination has beside it is found by the path, which only the careful plan knows.
            branches = vmsd.branches()
            rules = [(field.attribute, rule) for field in branches for rule in field.rules if not rule.reads_own]
        known = vmsd.compiled["rules", careful] = (*rules, *((None, rule) for rule in vmsd.rules))
    return known


def _apply_rules(plan: Plan, ctx: Context, frame: Frame) -> None:
    # Where they are judged and traced, what they read is taken down.
    scope: Any = frame if ctx.entries is None or ctx.broken is None else cast("Any", ctx.entries).scope(frame, ctx.path)
    for attribute, rule in _rules_of(plan.vmsd, careful=plan.careful):
        broken = None if rule.mended and ctx.broken is None else judge(rule, scope, ctx.facts)
        if broken is None:
            continue
        steps = [*(ctx.path or ()), *([] if attribute is None else [attribute])]
        from vmstate.vmsd.path import format_path

        broken = broken._replace(path=format_path(steps) or None)
        if ctx.broken is not None:
            ctx.broken.append(broken)
        elif broken.is_judged:
            raise EncodeError(f"{rule.id}: {broken.text}", path=broken.path, expected=repr(rule.holds))


def _write_subsections(plan: Plan, ctx: Context, frame: Frame, meta: Meta | None, out: bytearray) -> None:
    first = plan.width - len(plan.subsections)
    for sent in _order_to_write(plan, meta):
        sub = plan.subsections[sent.number][1]
        value = frame.values[first + sent.number]
        if value is None:
            continue
        enter(ctx, sub.attribute)
        start = len(out)
        entry = open_entry(ctx, start)
        if sent.earlier is not None:
            out += sent.header + sent.earlier
            close_entry(ctx, entry, start, len(out), None)
            leave(ctx)
            continue
        version_id = version_to_write(sub.vmsd, meta_of(value), None)
        check_version_to_write(ctx, sub.vmsd, version_id)
        # An odd header stays, but not if the state is now of another version.
        header_fits_no_more = not sent.header or sent.header[-1] != version_id & 0xFF
        out += subsection_header(sub.vmsd, version_id) if header_fits_no_more else sent.header
        plan_of_sub = (CAREFUL if ctx.path is not None else FAST).plan(sub.vmsd, version_id)
        write_struct(plan_of_sub, ctx, frame, value, out)
        close_entry(ctx, entry, start, len(out), None)
        leave(ctx)


def _order_to_write(plan: Plan, meta: Meta | None) -> list[SentSubsection]:
    """The order the subsections came in; one that did not come goes where it belongs among them."""
    came = () if meta is None or meta.subsections is None else meta.subsections
    numbers = {sent.number for sent in came}
    others = [SentSubsection(index, sub.attribute, b"") for index, sub in plan.subsections if index not in numbers]
    if not came:
        return others
    # Each goes before the first that came and has a higher number.
    highest = list(accumulate((sent.number for sent in came), max))
    order: list[SentSubsection] = []
    done = 0
    for sent in others:
        while done < len(came) and highest[done] <= sent.number:
            order.append(came[done])
            done += 1
        order.append(sent)
    return [*order, *came[done:]]


def check_version_to_write(ctx: Context, vmsd: VMStateDescription, version_id: int) -> None:
    """A version that the description does not have cannot be written."""
    if not vmsd.minimum_version_id <= version_id <= vmsd.version_id:
        raise EncodeError(
            f"{vmsd.name!r} has no version {version_id}",
            path=ctx.where(),
            expected=f"{vmsd.minimum_version_id} to {vmsd.version_id}",
            found=str(version_id),
        )
