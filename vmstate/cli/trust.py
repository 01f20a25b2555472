"""The question before a command line is run that came with a file."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vmstate.errors import VMStateError, one_line
from vmstate.qemu.trust import program_of, touched


def trust_arguments(parser: argparse.ArgumentParser) -> None:
    """What a verb takes that may run a recorded command line."""
    parser.add_argument(
        "--trust", action="store_true", help="run the command line that was recorded with the stream, or made from it"
    )
    parser.add_argument("--qemu", metavar="PROGRAM", help="the program to start in place of the recorded one")


def program_to_run(known: Mapping[str, Any], file: str, options: argparse.Namespace) -> str:
    """The program for a recorded command line, which is shown first, and what it touches before that.

    On a terminal the user is asked; without one --trust is needed. Raises `VMStateError` where it is not to be run.
    """
    argv = list(known["argv"])
    program: str = options.qemu or program_of(argv)
    lines = touched(argv, known)
    print(f"{one_line(file)}: a command line was recorded with this stream", file=sys.stderr)
    return asked(file, [program, *argv[1:]], lines, options)


def derived_to_run(argv: Sequence[str], missing: Sequence[str], file: str, options: argparse.Namespace) -> str:
    """The program for a command line that was made from a stream, which is shown first; asked as above."""
    print(f"{one_line(file)}: no command line was recorded; this one is made from the stream", file=sys.stderr)
    return asked(file, argv, [*touched(argv, {}), *(f"note: {text}" for text in missing)], options)


def asked(file: str, argv: Sequence[str], lines: Sequence[str], options: argparse.Namespace) -> str:
    """Show a command line and what it touches, and ask; its program. Raises `VMStateError` where the answer is no."""
    program = argv[0]
    for line in lines or ["touches nothing on this host that shows in it"]:
        print(f"  {one_line(line)}", file=sys.stderr)
    print(f"  starting {one_line(shlex.join(argv))}", file=sys.stderr)
    if options.trust:
        return program
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        print("run it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return program
        raise VMStateError("not run", file=file)
    raise VMStateError(
        "a command line that came with a file is not run unasked",
        file=file,
        expected="--trust, or a command line of your own behind --",
    )
