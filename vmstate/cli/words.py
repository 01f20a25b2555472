"""Numbers in words, for the readable renderings."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
