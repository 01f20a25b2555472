"""Streams that are opened for their memory.

Of a mapped-ram file a page is there in less than a millisecond, without a look at the devices: only what stands before
memory is read, the list of blocks, and, of a PC, the clock's CMOS. Where its section stands behind memory only the
sections between would tell; it is looked for by its name, and where that is not found just once, or the file is none of
this kind, the stream is loaded as any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from vmstate.saved.loading import closed_by_failure
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.stream.memory import GuestMemory, memory_of
from vmstate.stream.memory_map import PCS
from vmstate.stream.memory_noted import NotedPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Part, Section, Stream, parts_of, read_stream

_CLOCK = re.compile(rb"\x04.{4}\x0bmc146818rtc\0\0\0\0\0\0\0[\1-\xff](?P<cmos>.{128})", re.DOTALL)
"""The header of the clock's section, instance 0, and the CMOS (hw/rtc/mc146818rtc.c), which its state begins with."""

REACH = 64 << 20
"""Bytes behind memory in which it is looked for."""


def load_for_memory(source: StreamLike | Input) -> Stream:
    """Load a stream whose memory will be asked for: where its pages stand is noted in the same pass.

    Raises `VMStateError`.
    """
    opened = source if isinstance(source, Input) else open_input(source)
    if opened.further:
        from vmstate.saved.loading import load

        return load(opened)
    noted = NotedPages()
    with closed_by_failure(opened):
        stream = read_stream(opened, reader=noted.reader)
        opened.check()
        stream.noted = noted.runs
        return stream


@contextmanager
def open_memory(source: StreamLike) -> Iterator[GuestMemory]:
    """The memory of a machine in whatever `vmstate.load` takes, for as long as the body runs.

    Raises `VMStateError` as `load` and `Stream.memory` do.
    """
    opened = open_input(source)
    with closed_by_failure(opened):
        at_once = None if opened.further else _at_once(opened)
    if at_once is not None:
        with at_once[0]:
            yield at_once[1]
        return
    with load_for_memory(opened) as stream:
        yield stream.memory()


def _at_once(opened: Input) -> tuple[Stream, GuestMemory] | None:
    parts: list[Part] = []
    end = 0
    events = StreamReader.over(opened.data, origin=opened.origin).events()
    for part in parts_of(events):
        parts.append(part)
        if isinstance(part, Section) and part.is_ram:
            end = part.offset + part.size
            break
    stream = Stream(parts, opened, opened.name)
    if not end or all(block.mapped is None for block in stream.ram.blocks):
        return None
    cmos = None
    if (stream.machine or "").startswith(PCS):
        if len(opened.data) - end > REACH:
            return None
        found = list(_CLOCK.finditer(opened.data[end:]))
        if len(found) != 1:
            return None
        cmos = bytes(found[0]["cmos"])
    return stream, memory_of(stream, None, {}, None, {}, cmos)
