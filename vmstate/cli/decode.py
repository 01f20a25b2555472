"""`vmstate decode`: a whole stream as an editable JSON document."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from hashlib import file_digest, sha256
from itertools import chain

from vmstate.cli.by_source import describe, source_argument
from vmstate.cli.files import add_qmp
from vmstate.cli.live import only_source
from vmstate.cli.outputs import output
from vmstate.errors import StreamError, one_line
from vmstate.files import write_atomic
from vmstate.qemu.provenance import moved, provenance_to_carry, refuse_itself, refuse_place, write_provenance
from vmstate.saved.document import beside, document_text, has_ram_beside
from vmstate.saved.loading import load
from vmstate.stream.stream import Stream

DIGITS = 16
"""Hex digits of the digest in the name of the file of memory."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the stream")
    add_qmp(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="JSON",
        type=output,
        default="-",
        help="the document; memory goes into JSON.DIGEST.ram beside it (-, a pipe, a device: it is left out)",
    )
    parser.add_argument("--memory", action="store_true", help="memory inside the document, as hexadecimal text")
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the document and, where there is RAM, the file beside it; the provenance of the stream goes along."""
    output = options.output
    source = only_source(options)
    known = None
    if isinstance(source, str):
        refuse_itself(source, output)
        known = provenance_to_carry(source, output)
    else:
        refuse_place(output)
    with load(source) as stream:
        tree = describe(stream, options)
        # Beside a pipe or a device nothing can stand.
        is_file = output != "-" and (os.path.isfile(output) or not os.path.exists(output))
        has_memory = has_ram_beside(stream)
        with ExitStack() as written:
            name = None
            if is_file and has_memory and not options.memory:
                name = os.path.basename(write_ram(stream, output, written))
            pieces = document_text(stream, name, memory=options.memory, source=tree)
            if output == "-":
                sys.stdout.writelines(pieces)
                print()
            else:
                write_atomic(output, chain(map(str.encode, pieces), [b"\n"]))
            written.pop_all()
        if has_memory and name is None and not options.memory:
            where = "-o JSON puts it beside the document, --memory inside"
            print(f"vmstate: {one_line(stream.name or output)}: memory is left out: {where}", file=sys.stderr)
    if known is not None:
        write_provenance(output, moved(known, options.file, output))
    return 0


def write_ram(stream: Stream, output: str, written: ExitStack) -> str:
    """Write the file of memory beside a document, under a name with its digest; the name.

    Whatever document stands there already keeps the file that it names. `written` removes the file where the document
    cannot be written. Raises `StreamError`.
    """
    digest = sha256()
    for piece in beside(stream):
        digest.update(piece)
    path = f"{output}.{digest.hexdigest()[:DIGITS]}.ram"
    if os.path.lexists(path):
        if digest_of(path) != digest.hexdigest():
            raise StreamError("another file stands where the memory of the document belongs", file=path)
        return path
    write_atomic(path, beside(stream))
    written.callback(os.unlink, path)
    return path


def digest_of(path: str) -> str | None:
    """The digest of a plain file; None of anything else."""
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()
