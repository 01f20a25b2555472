"""Options that are a number of things, or a time."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

from vmstate.errors import VMStateError


def whole_number(text: str) -> int:
    """0 or more, as argparse expects it of a type."""
    return _number_from(0, text)


def one_or_more(text: str) -> int:
    """1 or more, as argparse expects it of a type."""
    return _number_from(1, text)


def _is_time(value: float) -> bool:
    return math.isfinite(value) and value > 0


def seconds(text: str) -> float:
    """A time to wait. Raises `ValueError`, as argparse expects."""
    value = float(text)
    if not _is_time(value):
        raise ValueError(text)
    return value


def checked_time(value: float) -> float:
    """A time to wait that was read already. Raises `VMStateError`."""
    if not _is_time(value):
        raise VMStateError("no time to wait", expected="seconds, more than 0", found=f"{value:g}")
    return value


def _number_from(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise ArgumentTypeError(f"expected a whole number, {least} or more, found {text[:40]!r}")
    return number
