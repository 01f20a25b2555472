"""Where the values of a state stand in its bytes, told once of all elements of an array that are laid out alike.

Most bytes of a large section are those of a long array of structs of fixed size: `trace` has an entry for each value of
each element, which takes a while to make and longer to go through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field
from vmstate.vmsd.path import Steps

ANY = -1
"""The step to an element that stands for all of its array."""


class Span(Data):
    """A value of a field, with all that is in it: the steps to it, its offset and its size in bytes.

    It comes again at each of `repeats`: (number of elements, bytes of one) of each array with `ANY` among the steps.
    """

    steps: Steps
    field: Field
    offset: int
    size: int
    repeats: tuple[tuple[int, int], ...] = ()

    def places(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """(numbers of the elements, offset) of all places where it begins."""
        for numbers in product(*(range(count) for count, _ in self.repeats)):
            yield (
                numbers,
                self.offset + sum(number * size for number, (_, size) in zip(numbers, self.repeats, strict=True)),
            )


class _Array(Data):
    """An array of which one element is gone through: the steps to that, and where the array begins."""

    steps: Steps
    start: int
    repeats: tuple[tuple[int, int], ...]


class Spans:
    """What a run takes down in place of the entries of a trace."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.arrays: set[Steps] = set()
        """The steps to the arrays of which one element is gone through for all."""
        self._open: list[tuple[Steps, int, Field | None]] = []
        self._within: list[_Array] = []

    def opened(self, path: list[str | int], offset: int, field: Field | None) -> str:
        """Something begins, `offset` bytes behind the beginning of the run, or of the element that is gone through."""
        steps: Steps = tuple(path)
        self._leave_arrays(steps)
        start = offset + (self._within[-1].start if self._within else 0)
        self._open.append((steps, start, field))
        return "span"

    def closed(self, path: list[str | int], offset: int, end: int) -> None:
        """It is over."""
        steps, start, field = self._open.pop()
        self._leave_arrays(steps)
        if field is None or end == offset:
            return
        repeats = self._within[-1].repeats if self._within else ()
        self.spans.append(Span(self._generalised(steps), field, start, end - offset, repeats))

    def _leave_arrays(self, steps: Steps) -> None:
        """Go through no array any more that has nothing at these steps."""
        while self._within and steps[: len(self._within[-1].steps)] != self._within[-1].steps:
            self._within.pop()

    def _generalised(self, steps: Steps) -> Steps:
        for array in self._within:
            last = len(array.steps) - 1
            steps = (*steps[:last], ANY, *steps[last + 1 :])
        return steps

    def gone_through_once(self, path: Sequence[str | int], count: int, size: int) -> None:
        """The array that was opened last has `count` elements of `size` bytes: its element 0 comes next, for all."""
        steps, start, _ = self._open[-1]
        assert steps == tuple(path)
        repeats = self._within[-1].repeats if self._within else ()
        self.arrays.add(self._generalised(steps))
        self._within.append(_Array((*steps, 0), start, (*repeats, (count, size))))

    def beside(self, read: Iterable[Steps]) -> Callable[[Span], Iterator[int]]:
        """A function that gives of a span the places where it is neither at nor in what is at the steps of `read`."""
        elements: dict[Steps, set[tuple[int, ...]]] = {}
        for steps in read:
            pattern, numbers = self._as_pattern(steps)
            elements.setdefault(pattern, set()).add(numbers)

        def places(span: Span) -> Iterator[int]:
            around = [span.steps[:length] for length in range(len(span.steps) + 1)]
            covered = [(steps.count(ANY), elements[steps]) for steps in around if steps in elements]
            for numbers, offset in span.places():
                if not any(numbers[:length] in known for length, known in covered):
                    yield offset

        return places

    def _as_pattern(self, steps: Steps) -> tuple[Steps, tuple[int, ...]]:
        """Steps with `ANY` in place of the numbers of elements of arrays that were gone through once; these numbers."""
        numbers: list[int] = []
        for place, step in enumerate(steps):
            if isinstance(step, int) and steps[:place] in self.arrays:
                numbers.append(step)
                steps = (*steps[:place], ANY, *steps[place + 1 :])
        return steps, tuple(numbers)
