"""`vmstate decode`: a whole stream as an editable JSON document."""

from __future__ import annotations

import argparse
import json
import os
import sys

from vmstate.files import write_atomic
from vmstate.qemu.provenance import moved, provenance_to_carry, write_provenance
from vmstate.saved.document import beside, has_ram_beside, to_document
from vmstate.saved.loading import load


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", help="the stream")
    parser.add_argument(
        "-o", "--output", metavar="JSON", default="-", help="the document; RAM pages go into JSON.ram (-: inside it)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the document and, where there is RAM, the file beside it; the provenance of the stream goes along."""
    known = provenance_to_carry(options.file, options.output)
    with load(options.file) as stream:
        if options.output == "-":
            sys.stdout.write(json.dumps(to_document(stream, None), indent=1) + "\n")
            return 0
        ram = options.output + ".ram" if has_ram_beside(stream) else None
        document = to_document(stream, os.path.basename(ram) if ram is not None else None)
        if ram is not None:
            write_atomic(ram, beside(stream))
        write_atomic(options.output, [json.dumps(document, indent=1).encode(), b"\n"])
    if known is not None:
        write_provenance(options.output, moved(known, options.file, options.output))
    return 0
