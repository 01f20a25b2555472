"""Where what a verb makes is written to: a file, or standard output under any of its names."""

from __future__ import annotations

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
