"""Which bytes of a section make no difference: to how it is laid out, and to what is found in it.

They are those of plain numbers and buffers that no condition and no count reads, no rule as it was judged
(`vmstate.codec.watch`), and nothing that a device compares. What is decided by the other bytes is the same for all
sections that have these in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from vmstate.codec.asked import entries_read, judge, judge_and_watch
from vmstate.codec.watch import covered_by
from vmstate.compare.section import SectionCheck, has_checks
from vmstate.errors import VMStateError
from vmstate.query.pci import is_config
from vmstate.stream.registry import comparison_of
from vmstate.stream.seen import Masks
from vmstate.stream.stream import Section
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, TraceEntry, VMStateDescription
from vmstate.vmsd.expr import Expr, Op, Own, OwnHas, Ref
from vmstate.vmsd.rule import Broken

LARGEST_MISFIT = 512
"""Bytes at most that are read at one place before it is known that they do not fit: the name of a subsection."""

_INDEX = re.compile(r"\[\d+\]")

_NAMES = re.compile(r'[^.\[\]"\\]+')


class _ReadsAllError(Exception):
    """What decides cannot be told from what does not."""


class _Reading(Data):
    """A way in which a section was read: the description, what that found in its bytes, and what its rules read.

    Nothing is looked at from `end` on: where more does not fit, it is not read. `read` are paths.
    """

    vmsd: VMStateDescription
    entries: Mapping[str, TraceEntry]
    end: int
    read: frozenset[str] = frozenset()

    def masks(self, idstr: str, size: int) -> tuple[int, int]:
        """The bytes of a section that decide its layout, and those that are looked at, as numbers of `size` bytes."""
        names = _names_read(self.vmsd, idstr)
        covered = covered_by(self.read, self.entries)
        masks = [bytearray(b"\xff" * min(self.end, size)).ljust(size, b"\0") for _ in names]
        known: dict[tuple[int, str], tuple[bool, bool]] = {}
        for path, entry in self.entries.items():
            field = entry.field
            if field is None or not entry.size:
                continue
            # What is said of an element is said of all.
            key = id(field), _INDEX.sub("", path)
            free = known.get(key)
            if free is None:
                decides = not _is_of_fixed_size(field) or _is_named(field, path, names[0])
                free = known[key] = not decides, _takes_anything(field) and not _is_named(field, path, names[1])
            for mask, is_free in zip(masks, (free[0], free[1] and path not in covered), strict=True):
                if is_free:
                    mask[entry.offset : entry.offset + entry.size] = bytes(entry.size)
        layout, values = (int.from_bytes(mask, "big") for mask in masks)
        return layout, values


def masks_of(check: SectionCheck) -> Masks | None:
    """The bytes of a section that was checked on which its layout depends, and what was found; None where all may."""
    with suppress(VMStateError, _ReadsAllError):
        sent_memory = check.sides.sent_memory
        sent_memory.was_asked = False
        readings = list(_readings(check))
        if sent_memory.was_asked and check.sides.unsent_memory is None:
            return None
        return _masks(check.section, readings, is_judged=True, asked_memory=sent_memory.was_asked)
    return None


def masks_unjudged(section: Section) -> Masks | None:
    """The bytes of a section on which its layout and its features depend, where nothing else is looked at."""
    assert section.vmsd is not None
    with suppress(VMStateError, _ReadsAllError):
        reading = _as_it_stands(section.vmsd, section.state, section.version_id)
        return _masks(section, [reading], is_judged=False, asked_memory=False)
    return None


def _masks(section: Section, readings: list[_Reading], *, is_judged: bool, asked_memory: bool) -> Masks:
    payload = section.payload()
    size = len(payload)
    layouts = values = 0
    for reading in readings:
        # What one way of reading looks at counts.
        layout, looked_at = reading.masks(section.name, size)
        layouts |= layout
        values |= looked_at
    described = {part.wire_name for reading in readings for part in reading.vmsd.walk()}
    return Masks(payload, layouts, values, described, is_judged=is_judged, asked_memory=asked_memory)


def _readings(check: SectionCheck) -> Iterator[_Reading]:
    """The ways in which the section was read: its description, and what that found in its bytes."""
    section, source, destination = check.section, check.source, check.destination
    assert section.vmsd is not None
    if check.sides.values_were_counted:
        raise _ReadsAllError
    if source.vmsd is not section.vmsd:
        yield _as_it_stands(section.vmsd, section.state, section.version_id)
    if source.vmsd is not None:
        runs = (check.sides.memory, None), (check.known_facts, destination.subject.state)
        yield _judged(source.vmsd, source.subject.state, section.version_id, runs)
    if not source.known and not destination.known:
        return
    if not check.is_known:
        raise _ReadsAllError
    if check.reads_the_same:
        return
    assert destination.vmsd is not None
    for facts in check.facts_tried():
        trial = entries_read(destination.vmsd, section.payload(), section.version_id, facts)
        if trial is None:
            raise _ReadsAllError
        entries, end = trial
        yield _Reading(destination.vmsd, entries, end + LARGEST_MISFIT)
        with suppress(VMStateError):
            data = memoryview(section.payload())
            codec: Any = destination.vmsd.codec
            state, _ = codec.decode_at(data, 0, version_id=section.version_id, facts=facts)
            yield _judged(destination.vmsd, state, section.version_id, [(None, destination.subject.state)])


def _judged(
    vmsd: VMStateDescription, state: Any, version: int, runs: Iterable[tuple[Mapping[str, Any] | None, Any]]
) -> _Reading:
    """What a state has, and what its rules read, in runs with the facts that are told and the destination's state."""
    read: set[str] = set()
    if has_checks(vmsd):
        for told, own in runs:
            results, watch = judge_and_watch(vmsd, state, version_id=version, facts=told, own=own)
            # What watches must not change what is seen.
            plain = judge(vmsd, state, version_id=version, facts=told, own=own)
            if [*map(_shown, results)] != [*map(_shown, plain)]:
                raise _ReadsAllError
            read |= watch.read
    reading = _as_it_stands(vmsd, state, version)
    return _Reading(vmsd, reading.entries, reading.end, frozenset(read))


def _as_it_stands(vmsd: VMStateDescription, state: Any, version: int) -> _Reading:
    """A state in the bytes that it was read from, none of which is passed over."""
    entries = vmsd.codec.trace_state(state, version_id=version)
    return _Reading(vmsd, entries, max((entry.offset + entry.size for entry in entries.values()), default=0))


def _shown(result: Broken) -> tuple[object, ...]:
    return (result.rule.id, *map(repr, result[1:]))


def _kinds(kind: t.WireType) -> Iterator[t.WireType]:
    """The types that one can be: which of the cases of a choice it is, is decided elsewhere."""
    if isinstance(kind, t.Choice):
        for _, case in kind.cases:
            yield from _kinds(case)
    else:
        yield kind


def _is_of_fixed_size(field: Field) -> bool:
    """Whether a field has the same length and nothing in it, whatever its bytes are."""
    return field.pointers is None and all(
        isinstance(kind, (t.Scalar, t.Buffer)) and not isinstance(kind, t.Opaque) and kind.is_plain
        for kind in _kinds(field.type)
    )


def _takes_anything(field: Field) -> bool:
    """Whether any bytes will do for a field, and are written back."""
    if field.checks or is_config(field) or not _is_of_fixed_size(field):
        return False
    return all(
        kind.code in "bBhHiIqQ" if isinstance(kind, t.Scalar) else type(kind) is t.Buffer for kind in _kinds(field.type)
    )


def _is_named(field: Field, path: str, names: frozenset[str]) -> bool:
    """Whether a field, or anything that it is in, is called so."""
    return not names.isdisjoint((field.attribute, field.name, *_NAMES.findall(path)))


def _names_read(vmsd: VMStateDescription, idstr: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of what decides the layout, and of that and what a device compares of its own."""
    key = ("names read", idstr)
    known: tuple[frozenset[str], frozenset[str]] | None = vmsd.compiled.get(key)
    if known is None:
        parts = list(vmsd.walk())
        layout = [expr for part in parts for field in part.fields for expr in field.expressions()]
        of_layout = frozenset(_names_in(layout))
        known = of_layout, of_layout.union(_names_compared(vmsd, idstr))
        vmsd.compiled[key] = known
    return known


def _names_in(exprs: Iterable[Expr]) -> Iterator[str]:
    for expr in exprs:
        if isinstance(expr, Op) and expr.symbol == "len" and isinstance(expr.arguments[0], Ref):
            # How many elements there are, or bytes, is decided by whatever says so on the wire.
            continue
        if isinstance(expr, (Ref, Own)) and not isinstance(expr, OwnHas):
            if not expr.names_:
                raise _ReadsAllError
            # Of what is inside, all is read; what is around only leads there.
            yield expr.names_[-1]
        yield from _names_in(expr.operands())


def _names_compared(vmsd: VMStateDescription, idstr: str) -> Iterator[str]:
    """The names of what a device compares of its own."""
    comparison = comparison_of(idstr)
    yield from (identity.field for identity in comparison.identities)
    if comparison.features is not None:
        # Of what shows a feature it only counts whether it is there.
        yield from (name for path, _, _ in comparison.features.words for name in _NAMES.findall(path)[-1:])
    for part in vmsd.walk():
        if part.name in comparison.levels:
            yield from (name for field in part.fields for name in (field.attribute, field.name))
