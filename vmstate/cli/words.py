"""What several verbs say, in words, for the readable renderings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from vmstate.errors import one_line
from vmstate.stream.stream import Stream


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def lines_of_not_judged(rules: Sequence[str], *, verbose: bool) -> Iterator[str]:
    """What is told of rules that nobody can judge, since only the destination knows: how many, or each."""
    if not rules:
        return
    listed = "" if verbose else "; --verbose lists them"
    yield f"not judged: {counted(len(rules), 'rule')}, for want of what only the destination knows{listed}"
    if verbose:
        yield from (f"  {rule}" for rule in rules)


def tell_where_cut(stream: Stream) -> None:
    """Say in a line on standard error where a stream is cut off."""
    print(f"vmstate: {one_line(str(stream.name))}: {where_cut(stream)}", file=sys.stderr)


def where_cut(stream: Stream) -> str:
    """The words for it."""
    assert stream.cut is not None and stream.source is not None and stream.whole is not None
    why = str(stream.cut.named(""))
    return f"cut off at offset {len(stream.source):#x}: {why}; what is whole ends at {stream.whole:#x}"
