"""Which bytes of a section make no difference: to how it is laid out, and to what is found in it.

They are those of plain numbers and buffers that no expression reads: no condition, no count, no rule, nothing that a
device compares. What is decided by the other bytes is the same for all sections that have these in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from vmstate.codec.asked import entries_read
from vmstate.compare.section import SectionCheck
from vmstate.errors import VMStateError
from vmstate.query.pci import is_config
from vmstate.stream.registry import comparison_of
from vmstate.stream.seen import Masks
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, TraceEntry, VMStateDescription
from vmstate.vmsd.expr import Expr, Own, OwnHas, Ref
from vmstate.vmsd.rule import Rule

_NAMES = re.compile(r'[^.\[\]"\\]+')


class _ReadsAll(Exception):
    """An expression reads a whole struct."""


def masks_of(check: SectionCheck) -> Masks | None:
    """The bytes of a section that was checked on which its layout depends, and what was found; None where all may."""
    section = check.section
    with suppress(VMStateError, _ReadsAll):
        readings = list(_readings(check))
        payload = section.payload()
        size = len(payload)
        layouts, values = bytearray(size), bytearray(size)
        for vmsd, entries in readings:
            layout, all_names = _names_read(vmsd, section.name)
            for kept, names in ((layouts, layout), (values, all_names)):
                mask = bytearray(b"\xff" * size)
                for path, entry in entries.items():
                    if entry.field is not None and _is_free(entry.field, path, names):
                        mask[entry.offset : entry.offset + entry.size] = bytes(entry.size)
                # What one way of reading looks at counts.
                for at, byte in enumerate(mask):
                    kept[at] |= byte
        described = {part.wire_name for vmsd, _ in readings for part in vmsd.walk()}
        return Masks(payload, bytes(layouts), bytes(values), described)
    return None


def _readings(check: SectionCheck) -> Iterator[tuple[VMStateDescription, Mapping[str, TraceEntry]]]:
    """The ways in which the section was read: its description, and what that found in its bytes."""
    section, source, destination = check.section, check.source, check.destination
    assert section.vmsd is not None
    if check.sides.values_were_counted:
        raise _ReadsAll
    yield section.vmsd, section.vmsd.codec.trace_state(section.state, version_id=section.version_id)
    if source.vmsd is not None and source.vmsd is not section.vmsd:
        yield source.vmsd, source.vmsd.codec.trace_state(source.subject.state, version_id=section.version_id)
    if not source.known and not destination.known:
        return
    if not check.is_known:
        raise _ReadsAll
    if check.reads_the_same:
        return
    assert destination.vmsd is not None
    for facts in check.facts_tried():
        entries = entries_read(destination.vmsd, section.payload(), section.version_id, facts)
        if entries is None:
            raise _ReadsAll
        yield destination.vmsd, entries


def _is_free(field: Field, path: str, names: frozenset[str]) -> bool:
    """Whether any bytes will do for a field, where expressions read what is called so."""
    kind = field.type
    is_number = isinstance(kind, t.Scalar) and kind.code in "bBhHiIqQ" and kind.is_plain and kind.order != "words"
    is_plain = is_number or (type(kind) is t.Buffer and kind.is_plain)
    if not is_plain or field.checks or is_config(field) or field.pointers is not None:
        return False
    return names.isdisjoint((field.attribute, field.name, *_NAMES.findall(path)))


def _names_read(vmsd: VMStateDescription, idstr: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of what decides the layout, and of that and all that is compared."""
    key = ("names read", idstr)
    known: tuple[frozenset[str], frozenset[str]] | None = vmsd.compiled.get(key)
    if known is None:
        parts = list(vmsd.walk())
        layout = [expr for part in parts for field in part.fields for expr in field.expressions()]
        subsections = [sub for part in parts for sub in part.subsections]
        layout += [expr for sub in subsections for expr in (sub.needed, sub.vmsd.needed) if expr is not None]
        rules = [rule for part in parts for rule in (*part.rules, *(r for field in part.fields for r in field.checks))]
        of_layout = frozenset(_names_in(layout))
        more = _names_in(expr for rule in rules for expr in _exprs_of(rule))
        known = of_layout, of_layout.union(more, _names_compared(vmsd, idstr))
        vmsd.compiled[key] = known
    return known


def _exprs_of(rule: Rule) -> Iterable[Expr]:
    return [expr for expr in (rule.holds, rule.value, rule.local) if expr is not None]


def _names_in(exprs: Iterable[Expr]) -> Iterator[str]:
    for expr in exprs:
        for part in expr.walk():
            if isinstance(part, (Ref, Own)) and not isinstance(part, OwnHas):
                if not part.names_:
                    raise _ReadsAll
                # Of what is inside, all is read; what is around only leads there.
                yield part.names_[-1]


def _names_compared(vmsd: VMStateDescription, idstr: str) -> Iterator[str]:
    """The names of what a device compares of its own."""
    comparison = comparison_of(idstr)
    yield from (identity.field for identity in comparison.identities)
    if comparison.features is not None:
        paths = [path for path, _, _ in comparison.features.words] + [*comparison.features.shown_by.values()]
        yield from (name for path in paths for name in _NAMES.findall(path)[-1:])
    for part in vmsd.walk():
        if part.name in comparison.levels:
            yield from (name for field in part.fields for name in (field.attribute, field.name))
