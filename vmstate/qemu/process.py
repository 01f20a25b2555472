"""`Process`: a program that is started, and never left behind: a vhost-user back end beside a tool.

The same keeper as with QEMU stands between: it ends the program when this process ends, however that happens.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from vmstate.errors import MachineError
from vmstate.qemu.machine import tail_of


class Process:
    """A running program. `scratch` are files that are removed when it has ended. Raises `MachineError`."""

    def __init__(self, command: Sequence[str], *, scratch: Sequence[str] = ()) -> None:
        if not command:
            raise MachineError("there is no command to start")
        self.command = list(command)
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._lifeline, far = socket.socketpair()
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), str(far.fileno())]
        try:
            with far:
                self._keeper = subprocess.Popen(
                    [*keeper, *map(os.path.abspath, scratch), "--", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[far.fileno()],
                    start_new_session=True,
                )
            self._lifeline.settimeout(10)
            told = self._lifeline.recv(32)
            self.pid = int(told)
        except (OSError, ValueError) as error:
            self._lifeline.close()
            self._log.close()
            raise MachineError(f"{command[0]} cannot be started: {error}") from None

    @property
    def output(self) -> str:
        """What it printed so far, standard output and error together."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), 1 << 16, max(0, size - (1 << 16))).decode(errors="replace")

    def read_output(self) -> str:
        """All that it printed so far."""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def wait_for_output(self, text: str, limit: float) -> str:
        """What it printed, once a text is in it. Raises `MachineError` where it ends before, or the time is over."""
        end = time.monotonic() + limit
        while text not in (said := self.read_output()):
            if not self.is_running:
                raise MachineError(f"{self.command[0]} ended: {tail_of(self.output) or 'without a word'}")
            if time.monotonic() > end:
                raise MachineError(f"{self.command[0]} did not print {text!r}", found=f"last: {tail_of(said)}")
            time.sleep(0.005)
        return said

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._keeper.poll() is None

    def wait_for_file(self, path: str, limit: float) -> None:
        """Wait until it has made a file, such as its socket. Raises `MachineError` with its last words."""
        end = time.monotonic() + limit
        while not os.path.exists(path):
            if not self.is_running:
                raise MachineError(f"{self.command[0]} ended before it listened: {tail_of(self.output) or 'no word'}")
            if time.monotonic() > end:
                said = tail_of(self.output) or "nothing"
                raise MachineError(f"{self.command[0]} does not listen at {path}", found=f"last: {said}")
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self) -> None:
        """End it, whatever it does."""
        self._lifeline.close()
        try:
            self._keeper.wait(10)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
