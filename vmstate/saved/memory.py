"""Streams that are opened for their memory.

Of a mapped-ram file a page is there in less than a millisecond, without a look at the devices: only what stands before
memory is read, the list of blocks, and, of a PC, the clock's CMOS. Where its section stands behind memory only the
sections between would tell; it is looked for by its name, and where that is not found just once, or the file is none of
this kind, the stream is loaded as any other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vmstate.errors import StreamError, VMStateError
from vmstate.files import write_atomic
from vmstate.saved.loading import closed_by_failure
from vmstate.saved.opening import Input, StreamLike, open_input, open_raw
from vmstate.saved.unfinished import what_is_there
from vmstate.stream.memory import GuestMemory, memory_of
from vmstate.stream.memory_index import PageIndex, identity_of, index_pieces
from vmstate.stream.memory_map import PCS
from vmstate.stream.memory_noted import NotedPages
from vmstate.stream.memory_pages import SentPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Part, Section, Stream, parts_of, read_stream

_CLOCK = re.compile(rb"\x04.{4}\x0bmc146818rtc\0\0\0\0\0\0\0[\1-\xff](?P<cmos>.{128})", re.DOTALL)
"""The header of the clock's section, instance 0, and the CMOS (hw/rtc/mc146818rtc.c), which its state begins with."""

REACH = 64 << 20
"""Bytes behind memory in which it is looked for."""


def load_for_memory(source: StreamLike | Input) -> Stream:
    """Load a stream whose memory will be asked for: where its pages stand is noted in the same pass.

    One that breaks off is read up to there, with an `UnfinishedWarning`. Raises `VMStateError`.
    """
    opened = source if isinstance(source, Input) else open_input(source)
    if opened.further:
        from vmstate.saved.loading import load

        return load(opened)
    noted = NotedPages()
    with closed_by_failure(opened):
        try:
            stream = read_stream(opened, reader=noted.reader)
            stream.noted = noted.runs
        except VMStateError as error:
            opened.check()
            stream = what_is_there(opened, error)
        opened.check()
        return stream


@contextmanager
def open_memory(source: StreamLike, *, index: str | os.PathLike[str] | None = None) -> Iterator[GuestMemory]:
    """The memory of a machine in whatever `vmstate.load` takes, for as long as the body runs.

    `index` is the path of an index of its pages: made where nothing stands there, else used, so that the stream is not
    read. Nothing is written without it. Raises `VMStateError` as `load`, `Stream.memory` and `load_by_index` do.
    """
    if index is not None:
        with load_by_index(source, index) if os.path.lexists(index) else load_for_memory(source) as stream:
            memory = stream.memory()
            if not isinstance(stream.noted, PageIndex):
                write_index(stream, memory, index)
            yield memory
        return
    opened = open_input(source)
    with closed_by_failure(opened):
        at_once = None if opened.further else _at_once(opened)
    if at_once is not None:
        with at_once[0]:
            yield at_once[1]
        return
    with load_for_memory(opened) as stream:
        yield stream.memory()


def modules_of(stream: Stream) -> dict[str, int]:
    """Where the XML of a save image says that memory modules stand, by the names of their blocks."""
    facts = {} if stream.container is None else stream.container.facts()
    names = {block.idstr for block in stream.ram.blocks}
    placed = {}
    for module in facts.get("modules", ()):
        if module["alias"] and module["address"] is not None:
            for name in (f"mem{module['alias']}", module["alias"], f"/objects/mem{module['alias']}"):
                if name in names:
                    placed[name] = module["address"]
    return placed


class IndexedStream(Stream):
    """What stands before memory of a stream that has an index. It is no whole stream, and not written."""

    def chunks(self, origin: int = 0) -> Iterator[bytes | memoryview]:
        """Raises `StreamError`."""
        raise StreamError("only what stands before memory was read, for its index is there", file=self.name)


def load_by_index(source: StreamLike | Input, index: str | os.PathLike[str]) -> IndexedStream:
    """What stands before memory of a stream, whose `memory` is read by an index that `write_index` made.

    Raises `StreamError` where that is none, is damaged, or is of another stream.
    """
    opened = source if isinstance(source, Input) else open_input(source)
    with closed_by_failure(opened):
        known = PageIndex(open_raw(os.fspath(index)).data, os.fspath(index))
        stream = IndexedStream(_up_to_memory(opened)[0].parts, opened, opened.name)
        if opened.further or known.further_known:
            from vmstate.saved.channels import opened_channels

            known.take_further([(each.name, each.data) for each, _ in opened_channels(opened)])
        known.check(opened.data, opened.origin, stream.ram.blocks)
        opened.check()
    stream.noted = known
    return stream


def write_index(
    stream: Stream, memory: GuestMemory, path: str | os.PathLike[str], placed: Mapping[str, int] | None = None
) -> None:
    """Write an index of the pages of a stream, all of it or nothing; `placed` is what `Stream.memory` was told.

    Raises `StreamError`: channels that are compressed or not all there, a stream that is cut off, or a file that cannot
    be written.
    """
    opened, name = stream.input, os.fspath(path)
    if opened is None:
        raise StreamError("an index is of a stream in a file", file=name)
    if stream.cut is not None:
        raise StreamError("an index is of a whole stream", file=name, found=stream.cut.message)
    if "multifd flush" in stream.ram.firsts and not stream.channels:
        raise StreamError("an index is of all channels of a migration", file=name, expected="them too (--channel)")
    blocks: dict[str, SentPages | int] = {}
    for block in stream.ram.blocks:
        pages = memory.block(block.idstr)
        blocks[block.idstr] = pages if isinstance(pages, SentPages) else block.used_length
    identity = identity_of(opened.data, opened.origin)
    sent = next((pages for pages in blocks.values() if isinstance(pages, SentPages)), None)
    further = [] if sent is None else [_identity_in(stream, view, name) for view in sent.sources[1:]]
    write_atomic(path, index_pieces(identity, memory.map, placed or {}, blocks, memory.page_size, further))


def _identity_in(stream: Stream, view: memoryview, index: str) -> dict[str, Any]:
    """By what the file of a further channel is known. Raises `StreamError` where pages are not in it as they are."""
    for channel in stream.channels:
        if channel.lacks:
            raise StreamError("an index is of all channels of a migration", file=index, found=channel.lacks)
        if any(view is opened.data for opened in channel.inputs):
            return identity_of(view, 0)
    raise StreamError(
        "an index tells where pages stand, and these are compressed, each channel as a whole",
        file=index,
        expected="ram -o OUT once, and OUT in place of the stream",
    )


def _up_to_memory(opened: Input) -> tuple[Stream, int]:
    """A stream's parts up to the first one of memory, and where that ends."""
    parts: list[Part] = []
    end = 0
    events = StreamReader.over(opened.data, origin=opened.origin).events()
    for part in parts_of(events):
        parts.append(part)
        if isinstance(part, Section) and part.is_ram:
            end = part.offset + part.size
            break
    return Stream(parts, opened, opened.name), end


def _at_once(opened: Input) -> tuple[Stream, GuestMemory] | None:
    stream, end = _up_to_memory(opened)
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
