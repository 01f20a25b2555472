"""From the values of a struct, in the order of its fields, to its state and back.

A state is an object of the description's class, or a `State`. Where a wire name repeats, a `State` has one list under
it, in which arrays of a constant count are spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from vmstate.codec.plan import Make
from vmstate.vmsd.description import Field, VMStateDescription, state_attributes
from vmstate.vmsd.state import META, State


def names_in_state(vmsd: VMStateDescription) -> tuple[Sequence[str], Sequence[tuple[int | None, int]]]:
    """Of each field, under what its residue is kept, and `Place.element` and `Place.first`."""
    names = [field.attribute for field in vmsd.fields]
    if len(set(names)) == len(names):
        return names, [(None, 0)] * len(names)
    numbers, counts = Counter[str](), Counter(names)
    keys: list[str] = []
    for name in names:
        keys.append(name if counts[name] == 1 else f"{name}[{numbers[name]}]")
        numbers[name] += 1
    return keys, _gathered_places(vmsd)


def _gathered_places(vmsd: VMStateDescription) -> list[tuple[int | None, int]]:
    names = [field.attribute for field in vmsd.fields if field.in_state]
    places: list[tuple[int | None, int]] = []
    taken = dict.fromkeys((name for name, times in Counter(names).items() if times > 1), 0)
    for field in vmsd.fields:
        if not field.in_state or field.attribute not in taken:
            places.append((None, 0))
            continue
        start, count = taken[field.attribute], constant_count(vmsd, field)
        places.append((start, 0) if count is None else (None, start))
        taken[field.attribute] = start + (1 if count is None else count)
    return places


def making(vmsd: VMStateDescription) -> tuple[Make, Callable[[Any], list[Any]]]:
    """What makes a state of the values of its fields and subsections, and what takes these out of a state again."""
    names = state_attributes(vmsd)
    if vmsd.state_class is not None:
        return _making_object(vmsd.state_class, names)
    if len(set(names)) == len(names):
        return making_mapping(names)
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


def making_mapping(names: list[str]) -> tuple[Make, Callable[[Any], list[Any]]]:
    """The same where states are dicts and the names differ."""

    def make(values: list[Any]) -> Any:
        return State(zip(names, values, strict=True))

    def split(state: Any) -> list[Any]:
        return [state[name] for name in names]

    return make, split


def _gathering(vmsd: VMStateDescription, names: list[str]) -> tuple[Make, Callable[[Any], list[Any]]]:
    """A state in which a wire name that repeats is one list; arrays of a constant count are spread in it."""
    counts = [constant_count(vmsd, field) for field in vmsd.fields if field.in_state]
    counts += [None] * len(vmsd.subsections)
    repeated = {name for name, times in Counter(names).items() if times > 1}

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


def constant_count(vmsd: VMStateDescription, field: Field) -> int | None:
    """The number of elements, where it is always the same: others cannot be told apart again."""
    always = field.exists is None and field.version <= vmsd.minimum_version_id and field.dims is None
    return field.count if always and isinstance(field.count, int) else None
