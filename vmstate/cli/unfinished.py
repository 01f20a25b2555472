"""What a verb says of unfinished files that it has read, whichever it is."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vmstate.errors import UnfinishedWarning


@contextmanager
def unfinished_told() -> Iterator[list[str]]:
    """A line on standard error for each unfinished file that is read meanwhile; they stand in the list."""
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", UnfinishedWarning)
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if category is not UnfinishedWarning:
                show_others(message, category, *where)
            elif str(message) not in told:
                told.append(str(message))
                sys.stdout.flush()
                print(f"vmstate: {message}", file=sys.stderr)

        warnings.showwarning = show  # type: ignore[assignment]
        yield told
