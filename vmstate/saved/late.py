"""A stream with what comes behind its end, from wherever it is kept (`vmstate.stream.phases`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmstate.errors import StreamError, VMStateError
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.schema.vmdesc import Vmdesc
from vmstate.stream.phases import READERS
from vmstate.stream.stream import Stream, read_stream


def load_phases(
    source: StreamLike | Input, phases: str, vmdesc: Vmdesc | None, library: bool, facts: Mapping[str, Any] | None
) -> Stream:
    """`vmstate.load` with a phase behind the end. Raises `VMStateError`."""
    if phases not in READERS:
        raise StreamError("no phase behind the end of a stream", expected=", ".join(READERS), found=repr(phases))
    opened = source if isinstance(source, Input) else open_input(source)
    try:
        stream = read_stream(opened, vmdesc=vmdesc, library=library, facts=facts, reader=READERS[phases])
        opened.check()
        return stream
    except VMStateError as error:
        opened.close()
        raise error.within(file=opened.name) from None
