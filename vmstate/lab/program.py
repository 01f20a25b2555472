"""How programs of the lab end: `python -m vmstate.lab.NAME`, and those in `benchmarks`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from vmstate.errors import VMStateError


def exit_code_of(work: Callable[[], int], place: str) -> int:
    """The exit code of a program that does `work`: its own, 2 with a line where it fails, 130 where it is stopped.

    `place` is what a failure of the operating system is about where that names no file.
    """
    try:
        return work()
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"vmstate: {error.filename or place}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
