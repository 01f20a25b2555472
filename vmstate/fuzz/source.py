"""Where choices come from: a generator of random numbers, hypothesis, or the bytes of a coverage-guided fuzzer.

What builds states and what mutates streams asks a `ChoiceSource` and does not know which it is. So one body of code
serves the campaigns (fast, reproducible from a seed), the strategies of hypothesis (which shrink) and atheris (which
steers).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class ChoiceSource(Protocol):
    """Choices, one after the other."""

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""

    def choice(self, options: Sequence[T]) -> T:
        """One of some options, of which there is at least one; hypothesis shrinks to the first."""

    def chance(self, one_in: int) -> bool:
        """True once in so many times; hypothesis shrinks to False."""

    def data(self, size: int) -> bytes:
        """So many bytes."""


class RandomSource:
    """Choices by Python's generator: the same seed gives the same choices on every machine."""

    __slots__ = ("_random",)

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`."""
        return self._random.randint(low, high)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self._random.random() * len(options))]

    def chance(self, one_in: int) -> bool:
        """True once in so many times."""
        return self._random.random() * one_in < 1

    def data(self, size: int) -> bytes:
        """So many bytes."""
        return self._random.randbytes(size)


DRAWS = 300
"""Choices that hypothesis makes one by one; what it can shrink is limited, and a device can have thousands."""


class DrawnSource:
    """Choices by hypothesis: `draw` is the function that a composite strategy is given.

    The first `DRAWS` are drawn one by one; those behind come from a generator whose seed is drawn.
    """

    __slots__ = ("_draw", "_left", "_more", "_strategies")

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        from hypothesis import strategies

        self._draw = draw
        self._strategies = strategies
        self._left = DRAWS
        self._more: RandomSource | None = None

    def _source_beyond_limit(self) -> RandomSource | None:
        if self._left == 0 and self._more is None:
            self._more = RandomSource(self._draw(self._strategies.integers(0, (1 << 32) - 1)))
        self._left = max(0, self._left - 1)
        return self._more

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`."""
        more = self._source_beyond_limit()
        return int(self._draw(self._strategies.integers(low, high))) if more is None else more.integer(low, high)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        # By its number: options need not be hashable, and an enumeration must not be taken for its members.
        return options[self.integer(0, len(options) - 1)]

    def chance(self, one_in: int) -> bool:
        """True once in so many times."""
        return self.integer(0, one_in - 1) == one_in - 1

    def data(self, size: int) -> bytes:
        """So many bytes."""
        more = self._source_beyond_limit()
        if more is not None:
            return more.data(size)
        return bytes(self._draw(self._strategies.binary(min_size=size, max_size=size)))


class BytesSource:
    """Choices by the bytes of a coverage-guided fuzzer, which changes them one by one; zeros where they end."""

    __slots__ = ("_data", "_pos")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0

    def _next_number(self, size: int) -> int:
        part = self._data[self._pos : self._pos + size]
        self._pos += size
        return int.from_bytes(part, "little")

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`."""
        span = high - low + 1
        return low + self._next_number(max(1, ((span - 1).bit_length() + 7) // 8)) % span

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, one_in: int) -> bool:
        """True once in so many times."""
        return self.integer(0, one_in - 1) == one_in - 1

    def data(self, size: int) -> bytes:
        """So many bytes."""
        part = self._data[self._pos : self._pos + size]
        self._pos += size
        return part.ljust(size, b"\0")
