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

from vmstate.codec.asked import judge, judge_and_watch, spans_of, spans_read
from vmstate.codec.spans import Spans
from vmstate.compare.section import SectionCheck, has_checks
from vmstate.errors import VMStateError
from vmstate.query.pci import is_config
from vmstate.rules.evaluate import AsKnown
from vmstate.schema.vmdesc import hides
from vmstate.stream.registry import comparison_of
from vmstate.stream.seen import Masks
from vmstate.stream.stream import Section
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import Expr, Op, Own, OwnHas, Ref
from vmstate.vmsd.path import Steps
from vmstate.vmsd.rule import Broken
from vmstate.vmsd.state import meta_of

LARGEST_MISFIT = 512
"""Bytes at most that are read at one place before it is known that they do not fit: the name of a subsection."""

_NAMES = re.compile(r'[^.\[\]"\\]+')


class _ReadsAllError(Exception):
    """What decides cannot be told from what does not."""


class _Reading(Data):
    """A way in which a section was read: the description, what that found in its bytes, and what its rules read.

    Nothing is looked at from `end` on: where more does not fit, it is not read.
    """

    vmsd: VMStateDescription
    spans: Spans
    end: int
    read: frozenset[Steps] = frozenset()

    def masks(self, idstr: str, size: int) -> tuple[int, int]:
        """The bytes of a section that decide its layout, and those that are looked at, as numbers of `size` bytes."""
        names = _names_read(self.vmsd, idstr)
        beside_read = self.spans.beside(self.read)
        masks = [bytearray(b"\xff" * min(self.end, size)).ljust(size, b"\0") for _ in names]
        known: dict[tuple[int, tuple[str, ...]], tuple[bool, bool]] = {}
        for span in self.spans.spans:
            field = span.field
            # What is said of an element is said of all.
            inside = tuple(step for step in span.steps if isinstance(step, str))
            free = known.get((id(field), inside))
            if free is None:
                decides = not _is_of_fixed_size(field) or _is_named(field, inside, names[0])
                takes_anything = _takes_anything(field) and not _is_named(field, inside, names[1])
                free = known[id(field), inside] = not decides, takes_anything
            nothing = bytes(span.size)
            if free[0]:
                for _, offset in span.places():
                    masks[0][offset : offset + span.size] = nothing
            if free[1]:
                for offset in beside_read(span):
                    masks[1][offset : offset + span.size] = nothing
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
        yield _tried(destination, section, facts)


def _tried(destination: AsKnown, section: Section, facts: Mapping[str, Any]) -> _Reading:
    """A section as the destination reads it under some facts."""
    vmsd, version = destination.vmsd, section.version_id
    assert vmsd is not None
    with suppress(VMStateError):
        codec: Any = vmsd.codec
        state, _ = codec.decode_at(memoryview(section.payload()), 0, version_id=version, facts=facts)
        meta = meta_of(state)
        if meta is not None and not meta.facts.keys() <= facts.keys():
            # The bytes themselves decided it.
            raise _ReadsAllError
        return _judged(vmsd, state, version, [(None, destination.subject.state)], beyond=LARGEST_MISFIT)
    trial = spans_read(vmsd, section.payload(), version, facts)
    if trial is None:
        raise _ReadsAllError
    spans, end = trial
    return _Reading(vmsd, spans, end + LARGEST_MISFIT)


def _judged(
    vmsd: VMStateDescription,
    state: Any,
    version: int,
    runs: Iterable[tuple[Mapping[str, Any] | None, Any]],
    *,
    beyond: int = 0,
) -> _Reading:
    """What a state has, and what its rules read, in runs with the facts that are told and the destination's state.

    `beyond` is the number of bytes behind it that are looked at, too.
    """
    read: set[Steps] = set()
    if has_checks(vmsd):
        for told, own in runs:
            results, watch = judge_and_watch(vmsd, state, version_id=version, facts=told, own=own)
            # What watches must not change what is seen.
            plain = judge(vmsd, state, version_id=version, facts=told, own=own)
            if [*map(_shown, results)] != [*map(_shown, plain)]:
                raise _ReadsAllError
            read |= watch.read_in_all()
    spans, end = spans_of(vmsd, state, version_id=version)
    return _Reading(vmsd, spans, end + beyond, frozenset(read))


def _as_it_stands(vmsd: VMStateDescription, state: Any, version: int) -> _Reading:
    """A state in the bytes that it was read from, none of which is passed over."""
    return _Reading(vmsd, *spans_of(vmsd, state, version_id=version))


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
        isinstance(kind, (t.Scalar, t.Buffer)) and not hides(kind) and kind.is_plain for kind in _kinds(field.type)
    )


def _takes_anything(field: Field) -> bool:
    """Whether any bytes will do for a field, and are written back."""
    if field.checks or is_config(field) or not _is_of_fixed_size(field):
        return False
    return all(
        kind.code in "bBhHiIqQ" if isinstance(kind, t.Scalar) else type(kind) is t.Buffer for kind in _kinds(field.type)
    )


def _is_named(field: Field, inside: Iterable[str], names: frozenset[str]) -> bool:
    """Whether a field, or anything that it is in, is called so."""
    parts = (part for step in inside for part in _NAMES.findall(step))
    return not names.isdisjoint((field.attribute, field.name, *inside, *parts))


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
