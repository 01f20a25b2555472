"""`vmstate thin`: a stream without the contents of memory."""

from __future__ import annotations

import argparse
import sys

from vmstate.files import write_atomic
from vmstate.qemu.provenance import carry_provenance, read_provenance
from vmstate.saved.thin import thin


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the stream (-: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the stream without its pages, and its provenance beside it where it has one."""
    if options.output != "-":
        known = None if options.file == "-" else read_provenance(options.file)
        write_atomic(options.output, thin(options.file))
        if known is not None:
            carry_provenance(known, options.file, options.output, thinned=True)
        return 0
    # All of it first: half a stream must not go out, and what is left of one is small.
    for piece in list(thin(options.file)):
        sys.stdout.buffer.write(piece)
    return 0
