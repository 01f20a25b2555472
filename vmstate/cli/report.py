"""`vmstate report`: a page on which a stream can be looked at."""

from __future__ import annotations

import argparse
import os
import sys

from vmstate.cli.by_source import source_argument, source_of
from vmstate.cli.explain import target_of
from vmstate.cli.files import add_qmp
from vmstate.cli.live import files_of, stream_of
from vmstate.cli.outputs import output
from vmstate.errors import VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.fleet.page import kind_of_rows, rows_page_of
from vmstate.qemu.provenance import refuse_itself, refuse_place
from vmstate.report.page import page_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument(
        "streams",
        metavar="FILE",
        nargs="*",
        help="the stream; of two the page says what has changed; "
        "or the lines of `vmstate matrix` or `vmstate fleet scan` (--format json)",
    )
    add_qmp(parser, "; with FILE it is the later moment")
    parser.add_argument(
        "-o", "--output", metavar="PAGE", type=output, required=True, help="the page, HTML (-: standard output)"
    )
    parser.add_argument("--early", metavar="EARLY", help="an earlier stream: what early migration would do")
    parser.add_argument(
        "--against",
        metavar="TARGET",
        nargs="?",
        const="--",
        help="a destination, as `vmstate explain` takes it: does the stream load there, and what stands in the way",
    )
    parser.add_argument("--machine", metavar="TYPE", help="the machine type, where TARGET is a QEMU binary")
    parser.add_argument("--trace", metavar="TRACE", action="append", default=[], help="QEMU's vmstate_downtime_load")
    parser.add_argument(
        "--scrub", action="store_true", help="without buffers, MAC addresses, UUIDs and names: to be given to strangers"
    )
    parser.add_argument(
        "--site", metavar="URL", help="where the documents stand (`make site`): each finding leads to its rule there"
    )
    source_argument(parser)
    parser.usage = "vmstate report {FILE [LATER] | [FILE] --qmp SOCKET} -o PAGE [options]"
    parser.set_defaults(run=run, takes_command=True, root=None)


def run(options: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    if options.output != "-":
        refuse_place(options.output)
        for place in (*options.streams, options.early, options.against, *options.trace):
            refuse_itself(place or "-", options.output)
    if options.qmp is not None or not options.streams:
        text = stream_page(options)
    elif kind_of_rows(options.streams[0]) is not None:
        text = rows_page(options)
    elif is_json(options.streams[0]):
        raise VMStateError(
            "this is JSON of which there is no page",
            file=options.streams[0],
            expected="a stream, or the lines of `vmstate matrix` or `vmstate fleet scan` with --format json",
        )
    else:
        text = stream_page(options)
    if options.output == "-":
        sys.stdout.write(text)
        return 0
    write_atomic(options.output, [text.encode()])
    print(one_line(f"{options.output}: {os.path.getsize(options.output):,} bytes; open it in a browser"))
    return 0


def is_json(path: str) -> bool:
    """Whether a file begins as JSON does."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(64).lstrip()[:1] in (b"{", b"[")


def stream_page(options: argparse.Namespace) -> str:
    """The page of a stream, or of two."""
    files = files_of(options, options.streams)
    if len(files) > 2:
        raise VMStateError("a page is of one stream, or of two to be compared", found=f"{len(files)} files")
    wanted = options.against is not None or options.program
    return page_of(
        *(stream_of(options, file) for file in files),
        against=target_of(options) if wanted else None,
        early=options.early,
        traces=options.trace,
        scrubbed=options.scrub,
        site=options.site,
        tree=source_of(options),
    )


def rows_page(options: argparse.Namespace) -> str:
    """The page of a matrix or a scan."""
    given = (
        options.against,
        options.program,
        options.early,
        options.machine,
        options.trace,
        options.scrub,
        options.site,
        options.source,
    )
    if len(options.streams) > 1 or any(given):
        raise VMStateError(
            "the page of a matrix or a scan is made of one file and takes no further option", file=options.streams[0]
        )
    return rows_page_of(options.streams[0])
