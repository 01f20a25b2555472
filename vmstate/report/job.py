"""Work in a thread that can be broken off, wherever it is.

Where a large section takes seconds is in the codec, which asks nobody whether it is still wanted. So the interpreter
is asked to raise an exception in the thread, as it raises KeyboardInterrupt for somebody at the keyboard: that comes
between two steps of the program, and whatever cleans up behind itself does so.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

LATEST = 1.0
"""Seconds in which the exception comes, unless something has swallowed it."""


class BrokenOffError(BaseException):
    """The work is not wanted any more. No `Exception`: nothing that handles failures is to take it for one."""


class Job:
    """A function that one thread runs and another may break off."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._guard = threading.Lock()
        self._thread: int | None = None
        self._unwanted = False

    def run(self) -> Any:
        """What the function gives. Raises what it raises, and `BrokenOffError` where it was broken off."""
        with self._guard:
            if self._unwanted:
                raise BrokenOffError
            self._thread = threading.get_ident()
        try:
            result = self._function()
        except BrokenOffError:
            raise
        except BaseException:
            self._end()
            raise
        self._end()
        return result

    def _end(self) -> None:
        """From here on nothing is broken off; what was asked for at the very end comes here, and nowhere behind."""
        with self._guard:
            self._thread = None
            unwanted = self._unwanted
        if unwanted:
            until = time.monotonic() + LATEST
            while time.monotonic() < until:
                time.sleep(0)
            raise BrokenOffError

    def break_off(self) -> None:
        """Have `run` raise `BrokenOffError`; nothing where it has ended."""
        with self._guard:
            once_more, self._unwanted = self._unwanted, True
            if self._thread is not None and not once_more:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(BrokenOffError)
                )
