"""Work for the tests of engines, which a worker must be able to import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from vmstate.vmsd.data import Value


class Work(Value):
    """Squares a number; `poison` ends its worker each time, `once` the first time: then there is a mark in `folder`."""

    folder: str
    poison: int | None = None
    once: int | None = None

    def __call__(self, number: int) -> int:
        """The square."""
        if number == self.poison:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.once:
            mark = Path(self.folder, "died")
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return number * number


class Sleep(Value):
    """Says in a folder which process it is in, and sleeps."""

    folder: str

    def __call__(self, number: int) -> int:
        """The number, after a minute."""
        Path(self.folder, str(os.getpid())).touch()
        time.sleep(60)
        return number


class Process(Value):
    """Says of a number in which process it was."""

    def __call__(self, number: int) -> tuple[int, int]:
        """The number, and the process."""
        time.sleep(0.01)
        return number, os.getpid()
