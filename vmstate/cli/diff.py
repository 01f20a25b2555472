"""`vmstate diff`: which values changed between two streams."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from typing import Any

from vmstate.cli.by_source import described, source_argument
from vmstate.cli.files import add_qmp
from vmstate.cli.live import add_after, two_of
from vmstate.compare.diff import Change, Difference, diff
from vmstate.compare.noise import KINDS
from vmstate.compare.text import lines_of, verdict_of
from vmstate.schema.values import to_plain


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("a", metavar="A", nargs="?", help="the stream of the earlier moment")
    parser.add_argument("b", metavar="B", nargs="?", help="the stream of the later moment")
    add_qmp(parser, "; with A it is the later moment")
    add_after(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    kinds = ", ".join(KINDS)
    parser.add_argument("--all", action="store_true", help="noise counts as well")
    parser.add_argument("--noise", metavar="KIND,...", help=f"only these kinds of noise do not count; all are: {kinds}")
    parser.add_argument(
        "--ignore",
        metavar="SECTION[.PATH]",
        action="append",
        default=[],
        help="nothing there counts (*: any text); can be repeated",
    )
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what differs."""
    noise = set(KINDS)
    if options.noise is not None:
        noise = {kind for kind in options.noise.split(",") if kind}
    if options.all:
        noise = set()
    sides = two_of(options, options.a, options.b)
    with ExitStack() as opened:
        before, after = (described(side, options, opened) for side in sides)
        difference = diff(before, after, noise=noise, ignore=options.ignore)
    if options.format == "json":
        json.dump(document(difference), sys.stdout)
        print()
    else:
        print_text(difference)
    return 0 if difference.equal else 1


def document(difference: Difference) -> dict[str, Any]:
    """What differs, as JSON values."""
    return {
        "a": difference.a,
        "b": difference.b,
        "equal": difference.equal,
        "identical": difference.identical,
        "changes": [change_document(change) for change in difference.changes],
        "ignored": [change_document(change) for change in difference.ignored],
    }


def change_document(change: Change) -> dict[str, Any]:
    """A change as JSON values."""
    return change.as_dict() | {"before": to_plain(change.before), "after": to_plain(change.after)}


def print_text(difference: Difference) -> None:
    """What differs, for a reader."""
    for line in lines_of(difference.changes):
        print(line)
    print(verdict_of(difference))
