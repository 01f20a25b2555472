"""Several files for one verb, of which the worst exit code counts; or a machine that runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from vmstate.errors import VMStateError


def for_each(files: Sequence[str], answer: Callable[[str], int]) -> int:
    """Give `answer` each file; returns the worst of its exit codes.

    Of several, one that cannot be used is a line on standard error and exit code 2. Raises `VMStateError` for only one.
    """
    worst = 0
    for file in files:
        try:
            code = answer(file)
        except VMStateError as error:
            if len(files) == 1:
                raise
            sys.stdout.flush()
            print(f"vmstate: {error.within(file=file)}", file=sys.stderr)
            code = 2
        worst = max(worst, code)
    return worst


def add_qmp(parser: argparse.ArgumentParser, more: str = "") -> None:
    """--qmp of a verb that reads."""
    parser.add_argument(
        "--qmp",
        metavar="SOCKET",
        help="a running machine in the place of a file, by its monitor (unix:PATH): the guest is paused for its device "
        f"state, some milliseconds{more}",
    )
    parser.add_argument("--limit", metavar="SECONDS", type=float, help="for each answer or start")
