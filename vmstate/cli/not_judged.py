"""Rules that are left, of which only the destination knows whether they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmstate.cli.words import counted


def lines_of_not_judged(rules: Sequence[str], *, verbose: bool) -> Iterator[str]:
    """What is told of rules that nobody can judge: how many, or each."""
    if not rules:
        return
    listed = "" if verbose else "; --verbose lists them"
    yield f"not judged: {counted(len(rules), 'rule')}, for want of what only the destination knows{listed}"
    if verbose:
        yield from (f"  {rule}" for rule in rules)
