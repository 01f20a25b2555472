"""`vmstate report`: a page on which a stream can be looked at."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from vmstate.cli.explain import target_of
from vmstate.errors import VMStateError, one_line
from vmstate.qemu.provenance import refuse_itself, refuse_place
from vmstate.report.page import page_of, write_page


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("streams", metavar="FILE", nargs="+", help="the stream; of two the page says what has changed")
    parser.add_argument("-o", "--output", metavar="PAGE", required=True, help="the page, HTML (-: standard output)")
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
    parser.usage = "vmstate report FILE [LATER] -o PAGE [--against TARGET] [--early EARLY] [options]"
    parser.set_defaults(run=run, takes_command=True, root=None, limit=60.0)


def run(options: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    if len(options.streams) > 2:
        raise VMStateError("a page is of one stream, or of two to be compared", found=f"{len(options.streams)} files")
    source, *later = options.streams
    wanted = options.against is not None or options.program
    against = target_of(options) if wanted else None
    named: dict[str, Any] = {
        "against": against,
        "early": options.early,
        "traces": options.trace,
        "scrubbed": options.scrub,
    }
    if options.output == "-":
        sys.stdout.write(page_of(source, *later, **named))
        return 0
    refuse_place(options.output)
    for stream in options.streams:
        refuse_itself(stream, options.output)
    write_page(options.output, source, *later, **named)
    print(one_line(f"{options.output}: {os.path.getsize(options.output):,} bytes; open it in a browser"))
    return 0
