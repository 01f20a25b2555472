"""Several files for one verb: each is taken by itself, and the worst exit code counts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from vmstate.errors import VMStateError, one_line
from vmstate.stream.stream import Stream


def for_each(files: Sequence[str], answer: Callable[[str], int]) -> int:
    """Give `answer` each file; returns the worst of its exit codes.

    Of several files one that cannot be used costs a line on standard error and the exit code 2, and the others go on.
    Raises `VMStateError` where there is only one.
    """
    worst = 0
    for file in files:
        try:
            code = answer(file)
        except VMStateError as error:
            if len(files) == 1:
                raise
            sys.stdout.flush()
            print(f"vmstate: {error.within(file=file)}", file=sys.stderr)
            code = 2
        worst = max(worst, code)
    return worst


def told_where_cut(stream: Stream) -> int:
    """Say in a line where a stream is cut off, if it is; 1 then, else 0."""
    if stream.cut is None:
        return 0
    print(f"vmstate: {one_line(str(stream.name))}: {where_cut(stream)}", file=sys.stderr)
    return 1


def cut_of(stream: Stream) -> dict[str, str]:
    """The same as a JSON value: nothing where the stream is whole."""
    return {} if stream.cut is None else {"cut": where_cut(stream)}


def where_cut(stream: Stream) -> str:
    """The words for it."""
    assert stream.cut is not None and stream.source is not None and stream.whole is not None
    why = str(stream.cut.named(""))
    return f"cut off at offset {len(stream.source):#x}: {why}; what is whole ends at {stream.whole:#x}"
