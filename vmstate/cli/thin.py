"""`vmstate thin`: a stream without the contents of memory, and with --scrub one that can be given to strangers."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable

from vmstate.files import write_atomic
from vmstate.qemu.provenance import carry_provenance, read_provenance
from vmstate.saved.thin import thin


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the stream (-: standard output)")
    parser.add_argument(
        "--scrub",
        action="store_true",
        help="replace buffers, blobs, MAC addresses, UUIDs and names, so that it can be given to strangers",
    )
    parser.add_argument(
        "--scrub-key",
        metavar="TEXT",
        help="the same replacements under the same key, in other streams too (default: a key of its own for each run)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the stream without its pages, and its provenance beside it where it has one and is not for strangers."""
    scrubbed = options.scrub or options.scrub_key is not None
    pieces = _scrubbed(options) if scrubbed else thin(options.file)
    if options.output != "-":
        # What is known of a machine has its command line, with names and addresses.
        known = None if scrubbed or options.file == "-" else read_provenance(options.file)
        write_atomic(options.output, pieces)
        if known is not None:
            carry_provenance(known, options.file, options.output, thinned=True)
        return 0
    # All of it first: half a stream must not go out, and what is left of one is small.
    for piece in list(pieces):
        sys.stdout.buffer.write(piece)
    return 0


def _scrubbed(options: argparse.Namespace) -> Iterable[bytes]:
    from vmstate.saved.scrub import scrub

    key = None if options.scrub_key is None else hashlib.sha256(options.scrub_key.encode()).digest()
    return (scrub(options.file, key),)
