"""`vmstate browse`: a stream in the terminal."""

from __future__ import annotations

import argparse
import sys

from vmstate.cli.files import add_qmp
from vmstate.cli.live import only_source
from vmstate.errors import VMStateError
from vmstate.saved.loading import load_what_is_whole


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the stream")
    add_qmp(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Open the browser, and go on until somebody leaves it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise VMStateError("a browser needs a terminal: `vmstate show` prints, `vmstate report` writes a page")
    try:
        from vmstate.report.browse import Browser
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "textual":
            raise
        raise VMStateError("the browser needs Textual: pip install textual") from None
    with load_what_is_whole(only_source(options)) as stream:
        Browser(stream).run()
    return 0
