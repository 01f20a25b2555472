"""`--qmp SOCKET`: a running machine in the place of a file."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from vmstate.cli.numbers import checked_time, seconds
from vmstate.errors import VMStateError

if TYPE_CHECKING:
    from vmstate.saved.opening import Input
    from vmstate.stream.stream import Stream

PREFIX = "qmp:"
"""What stands in the list of files, and in messages, in front of the socket of a running machine."""


def files_of(options: argparse.Namespace, files: list[str]) -> list[str]:
    """The files of a verb, behind them the machine of --qmp. Raises `VMStateError` where there is neither."""
    if options.qmp is not None:
        return [*files, PREFIX + options.qmp]
    if not files:
        raise VMStateError("which stream?", expected="a FILE, or a running machine (--qmp SOCKET)")
    return files


def source_of(options: argparse.Namespace, file: str) -> str | Input:
    """What a verb reads under a name of `files_of`: the file, or the machine's state at this moment.

    Raises `VMStateError`.
    """
    if options.qmp is None or file != PREFIX + options.qmp:
        return file
    from vmstate.qemu.live import live_state_at
    from vmstate.saved.opening import Input

    limit = {} if options.limit is None else {"limit": checked_time(options.limit)}
    state = live_state_at(options.qmp, **limit)
    return Input(memoryview(state.stream()), file)


def only_source(options: argparse.Namespace) -> str | Input:
    """What a verb reads that takes one file, or the machine of --qmp in its place. Raises `VMStateError`."""
    files = files_of(options, [] if options.file is None else [options.file])
    if len(files) > 1:
        raise VMStateError("one stream is read", expected="FILE or --qmp SOCKET", found="both")
    return source_of(options, files[0])


def stream_of(options: argparse.Namespace, file: str) -> str | Stream:
    """The same for a verb that takes several streams at once: a machine's state is read."""
    source = source_of(options, file)
    if isinstance(source, str):
        return source
    from vmstate.saved.loading import load

    return load(source)


def add_after(parser: argparse.ArgumentParser) -> None:
    """The option --after of a verb that compares two moments."""
    parser.add_argument(
        "--after",
        metavar="SECONDS",
        type=seconds,
        default=1.0,
        help="with --qmp alone: two moments of the machine, so many seconds apart (1)",
    )


def two_of(options: argparse.Namespace, first: str | None, second: str | None) -> tuple[str | Stream, str | Stream]:
    """What a verb compares: two files; a file, and then a machine as it is now; or two moments of that.

    Raises `VMStateError`.
    """
    files = [file for file in (first, second) if file is not None]
    if len(files) != 2 if options.qmp is None else len(files) == 2:
        raise VMStateError(
            "two moments are compared", expected="A B, or A --qmp SOCKET, or --qmp SOCKET", found=f"{len(files)} files"
        )
    if len(files) == 2:
        return files[0], files[1]
    machine = PREFIX + options.qmp
    if files:
        return files[0], stream_of(options, machine)
    before = stream_of(options, machine)
    time.sleep(options.after)
    return before, stream_of(options, machine)
