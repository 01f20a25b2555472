"""`vmstate thin`: a stream without the contents of memory, and with --scrub one that can be given to strangers."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmstate.cli.files import for_each
from vmstate.cli.outputs import output
from vmstate.errors import VMStateError
from vmstate.files import write_atomic
from vmstate.qemu.provenance import carry_provenance, provenance_to_carry, refuse_disk_image, refuse_place
from vmstate.saved.opening import open_input
from vmstate.saved.thin import thin


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="the stream, or several")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=output,
        required=True,
        help="the thin stream (-: standard output); of several the folder, where each keeps its name",
    )
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
    """Write each stream without its pages, its provenance beside it where it has one and is not for strangers."""
    refuse_place(options.output)
    folder = Path(options.output)
    if not folder.is_dir():
        if len(options.files) > 1:
            raise VMStateError("of several files OUT is the folder for all of them", found=options.output)
        return thin_one(options.files[0], options.output, options)
    names = [Path(file).name for file in options.files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise VMStateError(f"two of the files are called {twice!r}, and one folder cannot hold both")
    return for_each(options.files, lambda file: thin_one(file, str(folder / Path(file).name), options))


def thin_one(file: str, output: str, options: argparse.Namespace) -> int:
    """The same of one stream."""
    scrubbed = options.scrub or options.scrub_key is not None
    refuse_disk_image(file, output)
    # What is known of a machine has its command line, with names and addresses.
    known = None if scrubbed else provenance_to_carry(file, output)
    pieces = _scrubbed(file, options) if scrubbed else _thin(file)
    if output != "-":
        write_atomic(output, pieces)
        if known is not None:
            carry_provenance(known, file, output, thinned=True)
        return 0
    # All of it first: half a stream must not go out, and what is left of one is small.
    for piece in list(pieces):
        sys.stdout.buffer.write(piece)
    return 0


def _thin(file: str) -> Iterable[bytes | memoryview]:
    """A thin stream, in what the stream was taken out of."""
    opened = open_input(file)
    container = opened.container
    if container is None:
        return thin(opened)
    from vmstate.saved.packing import origin_of, packed

    return packed(container, thin(opened, origin_of(container)))


def _scrubbed(file: str, options: argparse.Namespace) -> Iterator[bytes]:
    from vmstate.saved.scrub import patched, scrubbed

    key = None if options.scrub_key is None else hashlib.sha256(os.fsencode(options.scrub_key)).digest()
    with scrubbed(file, key) as opened:
        yield from patched(opened, ())
