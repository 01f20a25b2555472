"""What a vmdesc says of an array of pointers of which some are NULL."""

from __future__ import annotations

from typing import Any

from vmstate.schema.vmdesc import VmdescReader
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Pointers

MAX_POINTERS = 1 << 16
"""The longest array of pointers of which each element is looked at; QEMU's have a few hundred."""


def pointers_of(
    reader: VmdescReader, entries: list[Any], kinds: list[t.WireType], counts: list[int | None], name: str
) -> list[Field] | None:
    """The elements of an array of pointers, of which some are NULL; None where they are none or too many."""
    elements = _elements_behind_markers(kinds, counts)
    if elements is not None:
        reader.ambiguous = True
    pointers, compressed = Pointers.ALL_MARKED, False
    if elements is None or reader.otherwise:
        runs, compressed, omits = _runs(kinds, counts, indexed=any("index" in entry for entry in entries))
        if omits is not None:
            reader.ambiguous = True
            runs = omits if reader.otherwise else runs
        if sum(count for _, count in runs) > MAX_POINTERS:
            return None
        pointers = Pointers.NULL_MARKER
        elements = [kind for kind, count in runs for _ in range(count)]
    if not elements:
        return None
    targets = {kind for kind in elements if not isinstance(kind, t.Nullptr)}
    if not targets:
        return [reader.array(name, elements[0], len(elements), compressed=compressed)]
    if len(targets) == 1:
        nulls = None
        if pointers is Pointers.NULL_MARKER:
            nulls = frozenset(place for place, kind in enumerate(elements) if isinstance(kind, t.Nullptr))
        return [reader.array(name, targets.pop(), len(elements), compressed=compressed, pointers=pointers, nulls=nulls)]
    # The structs differ in what is inside: each is a field of its own, and the state has one list for all.
    reader.differing += len(elements)
    if reader.differing > MAX_POINTERS:
        return None
    if pointers is Pointers.NULL_MARKER:
        return [Field(name, kind, as_written=True, compressed=False) for kind in elements]
    return [
        reader.array(name, kind, 1, compressed=False, pointers=None if isinstance(kind, t.Nullptr) else pointers)
        for kind in elements
    ]


def _elements_behind_markers(kinds: list[t.WireType], counts: list[int | None]) -> list[t.WireType] | None:
    """The elements where entries can be those of AUTO_ALLOC, a marker each and the object behind it; else None.

    So it is in QEMU 11.1. The same entries are an array of ordinary pointers in which each object stands behind a NULL.
    """
    if kinds[0].info != t.PTR_MARKER.info or counts.count(None) < len(counts):
        return None
    elements: list[t.WireType] = []
    last_is_marker = False
    for kind in kinds:
        if isinstance(kind, t.Nullptr):
            elements.append(kind)
        elif last_is_marker:
            elements[-1] = kind
        else:
            return None
        last_is_marker = isinstance(kind, t.Nullptr)
    return None if len(elements) == len(kinds) else elements


def _runs(
    kinds: list[t.WireType], counts: list[int | None], *, indexed: bool
) -> tuple[list[tuple[t.WireType, int]], bool, list[tuple[t.WireType, int]] | None]:
    """An array of ordinary pointers as runs of one kind, whether it is compressed, and what else it can be.

    QEMU describes a run of NULLs, or of what is none, by its first element and the length. Three things are not as that
    says. Where structs cannot be described by the first, each NULL has an entry of its own too, and (up to 11.0) an
    "array_len" that means nothing. The length of a first run that is not of NULLs is that of the whole array. From 11.1
    on a last element that differs from a run before it has no entry.
    """
    nulls = [isinstance(kind, t.Nullptr) for kind in kinds]
    by_itself = indexed or not (nulls[0] or counts[0] is not None)
    if by_itself or any(nulls[place] == nulls[place + 1] for place in range(len(nulls) - 1)):
        return [(kind, 1) for kind in kinds], False, None
    lengths = [1 if count is None else count for count in counts]
    behind = sum(lengths[1:])
    runs = list(zip(kinds, lengths, strict=True))
    whole = not nulls[0] and lengths[0] > behind
    if whole:
        runs[0] = kinds[0], lengths[0] - behind
    if counts[-1] is None or t.PTR_MARKER not in kinds:
        return runs, True, None
    omits = [*runs, (next(kind for kind, null in zip(kinds, nulls, strict=True) if null is not nulls[-1]), 1)]
    if whole and len(kinds) > 1:
        omits[0] = kinds[0], omits[0][1] - 1
    return runs, True, omits if omits[0][1] > 0 else None
