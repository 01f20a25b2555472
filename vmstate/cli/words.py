"""Numbers in words, for the readable renderings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def seconds(text: str) -> float:
    """A time to wait, for an option. Raises `ValueError`, as argparse expects."""
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(text)
    return value


def lines_of_not_judged(rules: Sequence[str], *, verbose: bool) -> Iterator[str]:
    """What is told of rules that nobody can judge: how many, or each."""
    if not rules:
        return
    listed = "" if verbose else "; --verbose lists them"
    yield f"not judged: {counted(len(rules), 'rule')}, for want of what only the destination knows{listed}"
    if verbose:
        yield from (f"  {rule}" for rule in rules)
