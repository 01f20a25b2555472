"""`vmstate pack`: a stream into a file like another one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress

from vmstate.cli.outputs import output
from vmstate.errors import StreamError, VMStateError
from vmstate.files import write_atomic
from vmstate.qemu.provenance import refuse_itself
from vmstate.saved.libvirt import FORMATS, LibvirtImage
from vmstate.saved.opening import Input, open_input
from vmstate.saved.packing import at_origin, in_form, is_mapped, origin_of, packed, with_new_snapshot
from vmstate.stream.stream import read_stream


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("stream", metavar="STREAM", help="the stream, or another file that holds one")
    parser.add_argument("--like", metavar="FILE", required=True, help="the save image or disk image (FILE@SNAPSHOT)")
    parser.add_argument("--as", dest="kind", choices=("libvirt", "qcow2"), help="what FILE has to be")
    parser.add_argument("--format", choices=FORMATS, help="of a save image, in place of that of FILE")
    parser.add_argument(
        "--snapshot",
        metavar="NAME",
        help="a new snapshot in a copy of the disk image; its disk is that of FILE@SNAPSHOT, or as it is now",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=output, required=True, help="the file (-: standard output)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write a copy of FILE that holds STREAM."""
    for file in (options.stream, options.like):
        refuse_itself(file, options.output)
    with open_input(options.stream) as opened:
        pieces = pieces_in_snapshot(opened, options) if options.snapshot is not None else pieces_of(opened, options)
        if options.output == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
        else:
            write_atomic(options.output, pieces)
    return 0


def pieces_in_snapshot(opened: Input, options: argparse.Namespace) -> Iterator[bytes | memoryview]:
    """A disk image with a snapshot more."""
    if options.kind == "libvirt" or options.format is not None:
        raise VMStateError("a snapshot is one of a disk image", expected="--as qcow2")
    pieces = at_origin(opened, opened.origin if is_mapped(opened.data) else 0, 0)
    return with_new_snapshot(options.like, options.snapshot, pieces, guest_clock(opened.data))


def pieces_of(opened: Input, options: argparse.Namespace) -> Iterator[bytes | memoryview]:
    """A file like another one, with the stream that is in what was opened."""
    with open_input(options.like) as like:
        container = like.container
    if container is None:
        raise StreamError("is a stream and nothing else", file=options.like, expected="a save image or disk image")
    kind = container.facts()["kind"]
    if options.kind not in (None, kind):
        raise StreamError("is something else", file=options.like, expected=options.kind, found=kind)
    if isinstance(container, LibvirtImage):
        container = in_form(container, options.format or container.form)
        if is_mapped(opened.data) != (container.form == "sparse"):
            raise wrong_form(options.stream, container.form)
    elif options.format is not None:
        raise VMStateError("a format is that of a save image", found=kind)
    old, new = (opened.origin, origin_of(container)) if is_mapped(opened.data) else (0, 0)
    return packed(container, at_origin(opened, old, new))


def wrong_form(file: str, form: str) -> StreamError:
    """What to say of a stream that libvirt does not keep in a format."""
    if form == "sparse":
        others = ", ".join(each for each in FORMATS if each != form)
        return StreamError(
            "format sparse is that of mapped-ram, and this stream has its memory in records",
            file=file,
            expected=f"--format and one of {others}; or a stream that QEMU made with the capability mapped-ram",
        )
    return StreamError(
        "this stream is mapped-ram, which libvirt keeps in its format sparse alone",
        file=file,
        expected="--format sparse",
        found=form,
    )


def guest_clock(data: memoryview) -> int:
    """The guest's clock in nanoseconds, as its section "timer" has it (system/cpu-timers.c); 0 where it has not."""
    with suppress(VMStateError), read_stream(Input(data[:], "stream"), library=False) as stream:
        return max(0, int(stream.find("timer.cpu_clock_offset")[2]))
    return 0
