"""Numbers in words, for the readable renderings."""

from __future__ import annotations

import math

PIPE_WIDTH = 1 << 16
"""Columns of what is no terminal: nothing may be cut or wrapped for it."""


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def size_text(size: int) -> str:
    """A number of bytes, in the largest unit in which it is whole or has one decimal."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.4g} {unit}"
        size = size / 1024  # type: ignore[assignment]
    return str(size)


def seconds(text: str) -> float:
    """A time to wait, for an option. Raises `ValueError`, as argparse expects."""
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(text)
    return value
