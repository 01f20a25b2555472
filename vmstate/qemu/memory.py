"""Guest memory in a file of its own, so that a stream without it can be loaded again.

With the capability x-ignore-shared QEMU leaves shared memory out of a stream. Rings and other structures in it are read
at load, though, so the memory of that moment must be kept beside the stream.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vmstate.errors import MachineError
from vmstate.qemu.monitor import Monitor

BACKEND = "vmstate-memory"
DEFAULT_SIZE = "128M"
"""The memory of a machine whose command line says nothing: hw/core/machine.c."""

_PIECE = 1 << 16
"""Bytes of memory that are compared at a time."""

MOST_BACKENDS = 1 << 10
"""Memory backends that are asked about: more than any machine has."""

_UNITS = {"": 20, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_SIZE = re.compile(r"(\d{1,12})([bkmgt]?)", re.IGNORECASE)


def options_of(argv: Sequence[str], *names: str) -> Iterator[str]:
    """The values of options such as -m, written with one dash or two."""
    for word, value in pairwise(argv):
        if word.startswith("-") and word.lstrip("-") in names:
            yield value


def memory_size(argv: Sequence[str]) -> int:
    """The bytes of memory that a command line asks for. Raises `MachineError`."""
    text = DEFAULT_SIZE
    for value in options_of(argv, "m"):
        first = value.partition(",")[0]
        text = next((part[5:] for part in value.split(",") if part.startswith("size=")), first)
    match = _SIZE.fullmatch(text)
    if match is None:
        raise MachineError("the size of the guest's memory cannot be read", expected="-m SIZE", found=repr(text))
    return int(match[1]) << _UNITS[match[2].lower()]


def has_backend(argv: Sequence[str]) -> bool:
    """Whether a command line says itself what the guest's memory is made of."""
    named = [*options_of(argv, "M", "machine"), *options_of(argv, "numa")]
    return any("memory-backend=" in value or "memdev=" in value for value in named)


def backend_words(size: int, path: str, *, share: bool, identifier: str = BACKEND) -> list[str]:
    """The options that make a file the guest's memory."""
    kind = f"memory-backend-file,id={identifier},size={size},mem-path={path},share={'on' if share else 'off'}"
    return ["-object", kind, "-machine", f"memory-backend={identifier}"]


def with_paths(argv: Sequence[str], paths: dict[str, str]) -> list[str]:
    """A command line whose memory-backend-file objects use other files, by id, and leave them as they are.

    The file is mapped privately: what the guest writes goes to memory alone.
    """
    words = list(argv)
    for place, word in enumerate(words):
        if place == 0 or words[place - 1].lstrip("-") != "object" or not word.startswith("memory-backend-file,"):
            continue
        options = dict(part.partition("=")[::2] for part in word.split(",")[1:])
        if options.get("id") in paths:
            options |= {"mem-path": paths[options["id"]], "share": "off"}
            words[place] = ",".join(["memory-backend-file", *(f"{key}={value}" for key, value in options.items())])
    return words


def shared_memory(monitor: Monitor) -> list[dict[str, Any]]:
    """The memory of a machine that x-ignore-shared leaves out: {"id", "size", "path"} of each backend with a file.

    Raises `MachineError`.
    """
    backends = []
    told = monitor.ask_or_none("query-memdev") or []
    if len(told) > MOST_BACKENDS:
        raise MachineError("query-memdev: more backends than a machine has", found=str(len(told)))
    for backend in told:
        place = f"/objects/{backend.get('id')}"
        # QEMU before 6.1 does not say it in query-memdev.
        if not monitor.ask_or_none("qom-get", {"path": place, "property": "share"}):
            continue
        path = monitor.ask_or_none("qom-get", {"path": place, "property": "mem-path"})
        backends.append({"id": backend["id"], "size": backend["size"], "path": path})
    return backends


def _data_from(file: int, at: int, size: int) -> int:
    """Where a file of `size` bytes has no hole, from `at` on; `size` where it has nothing more."""
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError:
        return size


def copy_sparse(source: int, target: int, size: int) -> None:
    """Copy a file of `size` bytes, its holes staying holes. Raises `OSError`."""
    os.ftruncate(target, size)
    at = 0
    while (start := _data_from(source, at, size)) < size:
        stop = min(os.lseek(source, start, os.SEEK_HOLE), size)
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        while start < stop:
            copied = os.sendfile(target, source, None, min(stop - start, 1 << 26))
            if not copied:
                return
            start += copied
        at = stop


def copy_memory(source: Path, target: Path) -> None:
    """Copy a file of guest memory, its holes staying holes. Raises `OSError`."""
    with open(source, "rb") as reading, open(target, "wb") as writing:
        copy_sparse(reading.fileno(), writing.fileno(), os.fstat(reading.fileno()).st_size)


def restore_memory(source: Path, target: Path) -> None:
    """Make a file of guest memory as another of its size is; written to only where it differs. Raises `OSError`."""
    with open(source, "rb", 0) as reading, open(target, "r+b", 0) as writing:
        files = reading.fileno(), writing.fileno()
        size = os.fstat(files[0]).st_size
        at = 0
        while (at := min(_data_from(file, at, size) for file in files)) < size:
            kept, there_now = (os.pread(file, _PIECE, at) for file in files)
            if there_now != kept:
                os.pwrite(files[1], kept, at)
            # It may be cut short meanwhile.
            at += len(kept) or _PIECE
