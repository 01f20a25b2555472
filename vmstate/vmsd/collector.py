"""Python's collector of cycles, paused while many objects are made at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_pauses = 0


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector of cycles: decoding makes many objects but no cycles, and to look for them takes long."""
    global _pauses  # noqa: PLW0603 (the collector is one for the whole process as well)
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            _pauses += 1
            if _pauses == 1 and not gc.get_freeze_count():
                # Most of what the first pause made (classes, descriptions, plans) stays: thawed, it is old at once.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
