"""Files of an object store or file system that fsspec knows, of which as much is read as is needed.

A stream has at its beginning what the machine is and which memory it has, and at its end the devices and what describes
them; between is guest memory. Of a plain stream that is larger than both these ends, what is between them is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import BinaryIO

from vmstate.errors import VMStateError
from vmstate.schema.vmdesc import read_vmdesc
from vmstate.stream.ends import find_vmdesc
from vmstate.stream.events import MAGIC, Mark, SectionHeader
from vmstate.stream.reader import StreamReader

HEAD = 256 << 10
"""Bytes that are read of a file's beginning."""

TAIL = 1 << 20
"""Bytes that are read of its end at first; twice as many each time that they do not do."""

MOST = 64 << 20
"""Bytes of its end at most: then all is read, to a temporary file where it is more."""

STEP = 16 << 20
"""Bytes that are copied there at a time."""


def files_at(url: str) -> Iterator[str]:
    """The files at a place. Raises `VMStateError`."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
        if system.isdir(path):
            yield from (system.unstrip_protocol(name) for name in sorted(system.find(path)))
        else:
            yield url
    except ImportError as error:
        missing = f"this place needs {error.name}" if error.name else _reason(error)
        raise VMStateError(f"{missing} (pip install qemu-vmstate[remote])", file=url) from None
    except Exception as error:
        # Each back end has exceptions of its own.
        raise VMStateError(f"the place cannot be read: {_reason(error)}", file=url) from None


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def contents_of(url: str, *, whole: bool = False) -> tuple[bytes | BinaryIO, int, str]:
    """The bytes of a file or of its devices, its size, and which of these it is: "all" or "devices".

    A large file is copied to one that has no name. Raises `VMStateError`.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
        size = int(system.info(path)["size"])
        if not whole and size > HEAD + TAIL:
            head = bytes(system.cat_file(path, start=0, end=HEAD))
            devices = _without_memory(head, size, lambda a, b: bytes(system.cat_file(path, start=a, end=b)))
            if devices is not None:
                return devices, size, "devices"
        if size <= MOST:
            return bytes(system.cat_file(path)), size, "all"
        with ExitStack() as stack:
            copy = stack.enter_context(TemporaryFile())
            for start in range(0, size, STEP):
                copy.write(system.cat_file(path, start=start, end=min(size, start + STEP)))
            copy.seek(0)
            stack.pop_all()
            return copy, size, "all"
    except VMStateError:
        raise
    except Exception as error:
        raise VMStateError(f"the file cannot be read: {_reason(error)}", file=url) from None


def _without_memory(head: bytes, size: int, read: Callable[[int, int], bytes]) -> bytes | None:
    """A stream without what is between its first list of memory and its first device; None where it shows neither."""
    end = _end_of_setup(head)
    if end is None:
        return None
    tail, length = b"", TAIL
    while length <= min(MOST, size - end):
        tail = read(size - length, size - len(tail)) + tail
        start = _first_device(tail)
        if start is not None:
            return head[:end] + tail[start:]
        length *= 2
    return None


def _end_of_setup(head: bytes) -> int | None:
    """Where the first part of a section begins that was started: behind all that a source says before any memory."""
    if head[:4] != MAGIC:
        return None
    reader = StreamReader()
    reader.receive_data(head)
    try:
        for event in reader.events():
            if isinstance(event, SectionHeader) and event.kind != "start":
                return event.offset if event.kind == "part" else None
    except VMStateError:
        pass
    return None


def _first_device(tail: bytes) -> int | None:
    """Where the section of the first device begins that the vmdesc names, if it is in the end of a stream."""
    text = find_vmdesc(memoryview(tail))
    if text is None:
        return None
    try:
        first = read_vmdesc(text).devices[0]
        name = first.name.encode()
        words = bytes((len(name),)) + name + first.instance_id.to_bytes(4, "big")
    except (VMStateError, IndexError, ValueError, OverflowError):
        return None
    at = tail.find(words)
    while at >= 0:
        # In front of it stand the mark of a section that is sent in one piece, and its number.
        if at >= 5 and tail[at - 5] == Mark.SECTION_FULL:
            return at - 5
        at = tail.find(words, at + 1)
    return None
