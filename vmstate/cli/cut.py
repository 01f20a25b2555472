"""Where a stream is cut off, in words."""

from __future__ import annotations

import sys

from vmstate.errors import one_line
from vmstate.stream.stream import Stream


def tell_where_cut(stream: Stream) -> None:
    """Say it in a line on standard error."""
    print(f"vmstate: {one_line(str(stream.name))}: {where_cut(stream)}", file=sys.stderr)


def where_cut(stream: Stream) -> str:
    """The words for it."""
    assert stream.cut is not None and stream.source is not None and stream.whole is not None
    why = str(stream.cut.named(""))
    return f"cut off at offset {len(stream.source):#x}: {why}; what is whole ends at {stream.whole:#x}"
