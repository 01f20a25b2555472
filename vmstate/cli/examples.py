"""`vmstate examples`: the recorded streams that come with the package, as files."""

from __future__ import annotations

import argparse
import lzma
import os

from vmstate.cli.words import counted
from vmstate.errors import one_line
from vmstate.files import write_atomic
from vmstate.qemu.provenance import refuse_place
from vmstate.saved.corpus import corpus_members

FOLDER = "fixtures"
"""Where the documents have them."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", default=FOLDER, help=f"the folder, made where it is not there ({FOLDER})"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write those that are not there yet, and say how many."""
    refuse_place(options.output)
    written = kept = 0
    for name, data in corpus_members():
        path = os.path.join(options.output, f"{name}.xz")
        if os.path.lexists(path):
            kept += 1
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, [lzma.compress(data, preset=0)])
        written += 1
    there = f"; {counted(kept, 'file')} there already, left as it was" if kept else ""
    first = os.path.join(options.output, "qemu-7.2-q35-virtio-net.mig.xz")
    told = f"{options.output}: {counted(written, 'stream')} of real machines{there}"
    print(one_line(f"{told}; the first to try: vmstate info {first}"))
    return 0
