"""Walks through a state: every struct in it, alone or with its description.

`VMStateDescription.walk` goes through a description. A walk through a state goes into the elements of arrays, of lists
and of trees as it goes into structs and subsections. The element of an array has its number as a step; the node of a
tree its number, and then 0 for the key and 1 for the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.path import Steps, member
from vmstate.vmsd.state import is_state, items_of

_PLAIN = frozenset((int, bool, float, str, bytes, bytearray, memoryview, type(None)))
"""Types of values in which there is no state; most of a state is of these, and a walk need not be begun for each."""


def states_in(value: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """(steps, state) of a value where it is a state, and of every state in it, the outer before the inner."""
    if is_state(value):
        yield steps, value
        for name, inner in items_of(value):
            if type(inner) not in _PLAIN:
                yield from states_in(inner, (*steps, name))
    elif _is_row(value):
        if type(value) is list and _PLAIN.issuperset(map(type, value)):
            return
        for index, inner in enumerate(value):
            if type(inner) not in _PLAIN:
                yield from states_in(inner, (*steps, index))


def described_states(
    vmsd: VMStateDescription | None,
    value: Any,
    steps: Steps = (),
    *,
    wanted: Callable[[VMStateDescription], bool] | None = None,
) -> Iterator[tuple[Steps, VMStateDescription, Any]]:
    """(steps, description, state) of a value and every state in it, the outer before the inner.

    The description is that of the state's class, else the first that its field can have. Where `wanted` is told, what
    is inside is passed over of which it says no: elements of an array are not made for nothing.
    """
    if _is_row(value):
        for index, inner in enumerate(value):
            yield from described_states(vmsd, inner, (*steps, index), wanted=wanted)
    if not is_state(value):
        return
    vmsd = getattr(type(value), "vmsd", vmsd)
    if vmsd is None:
        return
    yield steps, vmsd, value
    inside = [(field.attribute, field.type.structs()) for field in vmsd.fields if not field.is_plain]
    inside += [(sub.attribute, (sub.vmsd,)) for sub in vmsd.subsections]
    for name, structs in inside:
        if wanted is None or any(map(wanted, structs)):
            first = structs[0] if structs else None
            yield from described_states(first, member(value, name), (*steps, name), wanted=wanted)


def _is_row(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))
