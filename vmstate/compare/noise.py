"""Which values of a state are noise: what differs between two moments of a machine that does nothing.

The lists come from the device libraries (`vmstate.stream.registry.noise_lists`) and go by the names of descriptions and
by wire names, so that they hold for a state of the library and for one of a vmdesc alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from vmstate.stream.registry import last_part, noise_lists
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Subsection, VMStateDescription
from vmstate.vmsd.path import Steps
from vmstate.vmsd.record import KINDS_OF_NOISE, without_numbers

KINDS = {**KINDS_OF_NOISE, "memory": "what is in the guest's memory"}
"""The kinds of noise: those of devices, and that of RAM."""


def fields_on(vmsd: VMStateDescription, steps: Steps) -> Iterator[tuple[VMStateDescription, Field]]:
    """The fields that a path passes, each with the description it stands in.

    Of a choice of structs, all are looked into; where one has the next step of the path it is on the path.
    """
    here = [vmsd]
    for step in steps:
        if not isinstance(step, str):
            continue
        inside: list[VMStateDescription] = []
        for holder in here:
            fields, subsections = _by_attribute(holder)
            for field in fields.get(step, ()):
                yield holder, field
                inside += field.type.structs()
            inside += (sub.vmsd for sub in subsections.get(step, ()))
        here = inside


@lru_cache(maxsize=256)
def _by_attribute(vmsd: VMStateDescription) -> tuple[dict[str | None, list[Field]], dict[str, list[Subsection]]]:
    """The fields and the subsections of a description by their attributes: a struct can have very many."""
    fields: dict[str | None, list[Field]] = {}
    subsections: dict[str, list[Subsection]] = {}
    for field in vmsd.fields:
        fields.setdefault(field.attribute, []).append(field)
    for subsection in vmsd.subsections:
        subsections.setdefault(subsection.attribute, []).append(subsection)
    return fields, subsections


@lru_cache(maxsize=512)
def _names_on(vmsd: VMStateDescription, names: Steps) -> tuple[tuple[str, str, bool], ...]:
    """What the fields that a path passes are called: the description's name, the field's, and whether it is a timer.

    The elements of an array can be fields of one name, each with a description of its own: they are looked at once.
    """
    return tuple(
        dict.fromkeys(
            (holder.name, field.name, field.type is t.TIMER or field.type.info == t.TIMER.info)
            for holder, field in fields_on(vmsd, names)
        )
    )


def noise_of(vmsd: VMStateDescription, steps: Steps, before: Any, after: Any) -> str | None:
    """The kind of noise that a change at a path of a state is, or None."""
    lists = noise_lists()
    for holder, name, is_timer in _names_on(vmsd, tuple(step for step in steps if isinstance(step, str))):
        if is_timer:
            return "timer"
        listed = lists.get(holder)
        if listed is not None:
            entry = listed.get(name) or listed.get(without_numbers(name))
            kind = None if entry is None else _kind_by_entry(entry, before, after)
            if kind is not None:
                return kind
    return None


def noise_of_bytes(idstr: str, before: bytes, after: bytes) -> str | None:
    """The kind of noise that a change of the bytes of a section is that nothing describes, or None."""
    entry = noise_lists().get(last_part(idstr), {}).get("")
    return None if entry is None else _kind_by_entry(entry, before, after)


def _kind_by_entry(entry: Any, before: Any, after: Any) -> str | None:
    if isinstance(entry, str):
        return entry
    kind, ranges = entry
    if not isinstance(before, bytes) or not isinstance(after, bytes) or len(before) != len(after):
        return None
    noisy = bytearray(before)
    for start, stop in ranges:
        noisy[start:stop] = after[start:stop]
    return str(kind) if noisy == after else None
