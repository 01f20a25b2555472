"""Where what a verb makes is written to: a file, or standard output under any of its names; a picture (--plot)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

STANDARD_OUTPUT = frozenset(("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"))


def output(name: str) -> str:
    """The name of an output, "-" where it is standard output: for the arguments of a parser."""
    return "-" if name in STANDARD_OUTPUT else name


@contextmanager
def told_beside(name: str | None) -> Iterator[None]:
    """What is told while an output is written: on standard error where the output is standard output ("-")."""
    if name != "-":
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def plot_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg, .png or .pdf (extra 'plot')")


def check_wanted_plot(options: argparse.Namespace) -> None:
    """Before what takes long: can it be drawn? Raises `VMStateError`."""
    if options.plot is not None:
        from vmstate.qemu.provenance import refuse_place
        from vmstate.report.plots import check_plot

        check_plot(options.plot)
        refuse_place(options.plot)
