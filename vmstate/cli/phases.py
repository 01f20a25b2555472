"""`--phases`: sections of a phase behind the end of a stream, read where the caller asks for them."""

from __future__ import annotations

import argparse

from vmstate.saved.loading import load, load_what_is_whole
from vmstate.saved.opening import Input, StreamLike
from vmstate.stream.stream import Stream


def phases_argument(parser: argparse.ArgumentParser) -> None:
    """The option --phases of a verb that reads."""
    parser.add_argument(
        "--phases",
        choices=("netpass",),
        help="also what comes behind the end of the stream, when the destination runs: of patches, no release sends it",
    )


def loaded(source: StreamLike | Input, options: argparse.Namespace) -> Stream:
    """The stream, with the phase that is asked for; without one it may be cut off. Raises `VMStateError`."""
    return load_what_is_whole(source) if options.phases is None else load(source, phases=options.phases)
