"""Which values the rules of a state read: what a rule does not read makes no difference to what it says.

A rule that is evaluated once more on other values gives the same where those that it read are the same, since what it
does next is decided by what it read before. So each is evaluated in a scope that takes down every value that it hands
out, also of the structs and arrays that a function is given as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, cast, overload

from vmstate.codec.runtime import Frame
from vmstate.errors import VMStateError
from vmstate.vmsd.description import Field
from vmstate.vmsd.expr import Fact
from vmstate.vmsd.path import Steps
from vmstate.vmsd.state import VMState, is_state


class Watch:
    """The steps to what the rules of a state read while it is judged; () is all of it.

    It stands where a run has what takes down its values (`vmstate.codec.asked.TakesDown`).
    """

    def __init__(self) -> None:
        self.read: set[Steps] = set()
        self._alike: dict[Steps, dict[int, list[int]]] = {}
        # Frames are kept, so that no two have the same id.
        self._frames: dict[int, tuple[Frame, Steps]] = {}

    def opened(self, path: list[str | int], offset: int, field: Field | None) -> str | None:
        """Something begins, which is not sought."""

    def closed(self, path: list[str | int], offset: int, end: int) -> None:
        """Something that was sought is over."""

    def scope(self, frame: Frame, path: Sequence[str | int] | None) -> WatchedScope:
        """The scope in which the rules of the struct at a path are judged."""
        self._frames[id(frame)] = frame, tuple(path or ())
        return WatchedScope(self, frame)

    def steps_of(self, frame: Frame) -> Steps | None:
        """The path of a struct whose rules were judged; None for another."""
        known = self._frames.get(id(frame))
        return None if known is None else known[1]

    def note(self, steps: Steps) -> None:
        """Something at a path was read, with all that is in it."""
        self.read.add(steps)

    def stands_for(self, steps: Steps, judged: int, number: int) -> None:
        """In the array at these steps one element is judged for another, which has the same bytes."""
        self._alike.setdefault(steps, {}).setdefault(judged, []).append(number)

    def read_in_all(self) -> set[Steps]:
        """The steps to what was read, also in the elements for which others were judged."""
        read = self.read
        # What is inside comes first: an element stands for another with all that is in it.
        for steps in sorted(self._alike, key=len, reverse=True):
            alike, place = self._alike[steps], len(steps)
            read = read | {
                (*steps, number, *within[place + 1 :])
                for within in read
                if len(within) > place and within[:place] == steps
                for number in alike.get(cast("int", within[place]), ())
            }
        return read

    def watched(self, value: Any, steps: Steps) -> Any:
        """A value that was handed out: a struct, or a row of structs, takes down what is read of it in turn."""
        if isinstance(value, VMState):
            return WatchedState(self, value, steps)
        if _is_row(value) and any(is_state(element) or _is_row(element) for element in value):
            return WatchedRow(self, value, steps)
        self.note(steps)
        return value


def _is_row(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


class WatchedScope:
    """The scope of a struct (`vmstate.vmsd.expr.Scope`), which takes down what is read."""

    def __init__(self, watch: Watch, frame: Frame) -> None:
        self._watch = watch
        self._frame = frame
        self.version_id = frame.version_id

    @property
    def outer(self) -> WatchedScope | None:
        """The scope of the struct around this one."""
        outer = self._frame.outer
        return None if outer is None else WatchedScope(self._watch, outer)

    def value(self, name: str) -> Any:
        """The value of an attribute of this struct."""
        steps = self._watch.steps_of(self._frame)
        if steps is None:
            self._watch.note(())
            return self._frame.value(name)
        return self._watch.watched(self._frame.value(name), (*steps, name))

    def fact(self, fact: Fact) -> Any:
        """The value of a fact. One that other values decide reads them."""
        if fact.derived is not None:
            with suppress(VMStateError):
                fact.derived.evaluate(self)
        return self._frame.fact(fact)

    def own_value(self, names: tuple[str, ...]) -> Any:
        """What the destination has, of which nothing is taken down."""
        return self._frame.own_value(names)

    def has_own(self) -> Any:
        """Whether the destination has this struct."""
        return self._frame.has_own()


class WatchedState:
    """A struct, which takes down the attributes that are read of it."""

    def __init__(self, watch: Watch, state: VMState, steps: Steps) -> None:
        self._watch = watch
        self._state = state
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        state = self._state
        if name in type(state).__vmstate_defaults__:
            return self._watch.watched(getattr(state, name), (*self._steps, name))
        derived = getattr(type(state), name, None)
        if isinstance(derived, property) and derived.fget is not None:
            return derived.fget(self)
        # What a class derives otherwise may read anything.
        self._watch.note(self._steps)
        return getattr(state, name)


class WatchedRow(Sequence[Any]):
    """A row of structs, of which the number is no secret: how many there are is a matter of the layout."""

    def __init__(self, watch: Watch, row: Sequence[Any], steps: Steps) -> None:
        self._watch = watch
        self._row = row
        self._steps = steps

    def __len__(self) -> int:
        return len(self._row)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        return self._watch.watched(self._row[index], (*self._steps, number))

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))
