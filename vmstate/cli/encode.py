"""`vmstate encode`: a JSON document as a stream again."""

from __future__ import annotations

import argparse
import os
import sys

from vmstate.cli.by_source import source_argument, source_of
from vmstate.cli.outputs import output
from vmstate.errors import SchemaError, VMStateError
from vmstate.files import write_atomic
from vmstate.qemu.provenance import carry_provenance, provenance_to_carry, refuse_itself
from vmstate.saved.document import read_document
from vmstate.saved.opening import HOLDS_A_STREAM, open_input
from vmstate.stream.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.saved.containers import Container


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("json", metavar="JSON", help="the document that `decode` wrote")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=output, required=True, help="the stream (-: standard output)"
    )
    parser.add_argument("--like", metavar="FILE", help="put it into a file like this save image or disk image")
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the stream that the document stands for, and its provenance if `decode` put one beside the document."""
    refuse_itself(options.json, options.output)
    known = provenance_to_carry(options.json, options.output)
    with open_input(options.json) as opened:
        name, head = opened.name, bytes(opened.data[:4])
        if head in HOLDS_A_STREAM:
            raise SchemaError("this is a stream already", file=name, expected="the JSON that `vmstate decode` wrote")
        if not head:
            raise SchemaError("the file is empty", file=name, expected="the JSON that `vmstate decode` wrote")
        text = bytes(opened.data)
    folder = "." if options.json == "-" else os.path.dirname(options.json) or "."
    try:
        with read_document(text, folder, name, source_of(options)) as stream:
            write(stream, options.output, None if options.like is None else container_of(options.like))
    except VMStateError as error:
        raise error.within(file=name) from None
    if known is not None:
        carry_provenance(known, options.json, options.output)
    return 0


def container_of(file: str) -> Container | None:
    """What the stream in a file is kept in."""
    with open_input(file) as opened:
        return opened.container


def write(stream: Stream, output: str, container: Container | None = None) -> None:
    """To a file, whole or not at all; or to standard output. What the stream was taken out of, or another container
    that is told, it is put into again.
    """
    container = stream.container if container is None else container
    if container is not None:
        from vmstate.saved.packing import origin_of, packed

        chunks = packed(container, stream.chunks(origin_of(container)))
    else:
        chunks = stream.chunks()
    if output != "-":
        write_atomic(output, chunks)
        return
    # All of it first: a value that cannot be written must not leave half a stream. RAM is no more than windows here.
    for chunk in list(chunks):
        sys.stdout.buffer.write(chunk)
