"""`vmstate thin`: a stream without the contents of memory."""

from __future__ import annotations

import argparse
import sys

from vmstate.stream.containers import write_atomic
from vmstate.stream.thin import thin


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the stream (-: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the stream without its pages."""
    if options.output != "-":
        write_atomic(options.output, thin(options.file))
        return 0
    # All of it first: half a stream must not go out, and what is left of one is small.
    for piece in list(thin(options.file)):
        sys.stdout.buffer.write(piece)
    return 0
