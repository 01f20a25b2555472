"""`vmstate unpack`: the plain stream out of whatever a machine is kept in."""

from __future__ import annotations

import argparse
import sys

from vmstate.cli.outputs import output
from vmstate.files import write_atomic
from vmstate.qemu.provenance import refuse_itself
from vmstate.saved.opening import open_input
from vmstate.saved.packing import at_origin, is_mapped


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", help="the save image, disk image (FILE@SNAPSHOT) or compressed stream")
    parser.add_argument(
        "-o", "--output", metavar="STREAM", type=output, required=True, help="the stream (-: standard output)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the stream; one with mapped-ram as it would stand in a file of its own."""
    refuse_itself(options.file, options.output)
    with open_input(options.file) as opened:
        pieces = at_origin(opened, opened.origin if is_mapped(opened.data) else 0, 0)
        if options.output == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
        else:
            write_atomic(options.output, pieces)
    return 0
