"""`Process`: a program that is started, and never left behind: QEMU, or a vhost-user back end beside a tool.

`keeper.py` stands between: it ends the program when this process ends, however that happens.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from vmstate.errors import MachineError

_ENDING = 10.0
"""Seconds in which what was killed has ended."""

_KEPT = 1 << 20
"""Bytes of a program's output that `Process.output` shows."""

_TAIL = 400


class Keeper:
    """A process that starts programs for this one, and ends those that run when this one ends or closes it.

    Whoever starts many programs, one after the other, keeps it and saves its start. Raises `MachineError`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control, far = socket.socketpair()
        script = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), str(far.fileno())]
        try:
            with far:
                self._process = subprocess.Popen(
                    script,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[far.fileno()],
                    start_new_session=True,
                )
        except OSError as error:
            self._control.close()
            raise MachineError(f"{sys.executable} cannot be started: {error.strerror}") from None

    def send(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Give it a program to start: see keeper.py. Raises `OSError`."""
        text = json.dumps(request).encode()
        with self._lock:
            socket.send_fds(self._control, [len(text).to_bytes(4, "big")], list(descriptors))
            self._control.sendall(text)

    def close(self) -> None:
        """End it, and what it has started."""
        self._control.close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Process:
    """A running program.

    `keeper` starts it; without one it has its own. `descriptors` are open files that it inherits under the same
    numbers; `scratch` are files and folders that are removed when it has ended; `folder` is where it runs;
    `environment` has variables besides those of this process; `limits` are what it may have at most, by the names of
    the module resource without RLIMIT_ ({"CORE": 0}). Raises `MachineError`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        keeper: Keeper | None = None,
        descriptors: Sequence[int] = (),
        scratch: Sequence[str] = (),
        folder: str | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        if not command:
            raise MachineError("there is no command to start")
        self.command = list(command)
        self._exit_code: int | None = None
        self._last_output = b""
        self._seen = 0
        self._own_keeper = Keeper() if keeper is None else None
        keeper = keeper or self._own_keeper
        assert keeper is not None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._lifeline, far = socket.socketpair()
        self._received = b""
        request = {
            "command": self.command,
            "environment": {**os.environ, **(environment or {})},
            "folder": None if folder is None else os.path.abspath(folder),
            "descriptors": list(descriptors),
            "limits": dict(limits or {}),
            "scratch": [os.path.abspath(path) for path in scratch],
        }
        try:
            with far:
                keeper.send(request, [far.fileno(), self._log.fileno(), *descriptors])
            self.pid = int(self._next_line(_ENDING))
        except (OSError, ValueError) as error:
            self.stop()
            raise MachineError(f"{command[0]} cannot be started: {error}") from None

    def _next_line(self, limit: float) -> bytes:
        """The next line of the keeper; empty where that is gone. Raises `TimeoutError`."""
        end = time.monotonic() + limit
        while b"\n" not in self._received:
            self._lifeline.settimeout(max(0.0, end - time.monotonic()))
            try:
                piece = self._lifeline.recv(64)
            except BlockingIOError:
                raise TimeoutError("no answer") from None
            except ConnectionError:
                piece = b""
            if not piece:
                return b""
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        return line

    def wait(self, limit: float) -> int | None:
        """The exit code, minus the signal's number where one ended it; None where it has not ended in so many seconds.

        When it has ended its scratch files are gone.
        """
        if self._exit_code is None and self._lifeline.fileno() >= 0:
            try:
                # A keeper that is gone was killed, and the program with it.
                self._exit_code = int(self._next_line(limit) or -signal.SIGKILL)
            except TimeoutError:
                return None
        return self._exit_code

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._lifeline.fileno() >= 0 and self.wait(0) is None

    @property
    def output(self) -> str:
        """What it printed so far, standard output and error together; of much, the end."""
        if self._log.closed:
            return self._last_output.decode(errors="replace")
        return self._output_from(max(0, os.fstat(self._log.fileno()).st_size - _KEPT)).decode(errors="replace")

    def new_output(self) -> str:
        """What it printed since this was asked last."""
        piece = self._output_from(self._seen)
        self._seen += len(piece)
        return piece.decode(errors="replace")

    def read_output(self) -> str:
        """All that it printed so far."""
        return self._output_from(0).decode(errors="replace")

    def _output_from(self, start: int) -> bytes:
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, start)

    def wait_for_output(self, text: str, limit: float) -> str:
        """What it printed, once a text is in it. Raises `MachineError` where it ends before, or the time is over."""
        end = time.monotonic() + limit
        while text not in (printed := self.read_output()):
            if not self.is_running:
                raise MachineError(f"{self.command[0]} ended: {tail_of(self.output) or 'without a word'}")
            if time.monotonic() > end:
                raise MachineError(f"{self.command[0]} did not print {text!r}", found=f"last: {tail_of(printed)}")
            time.sleep(0.005)
        return printed

    def wait_for_file(self, path: str, limit: float) -> None:
        """Wait until it has made a file, such as its socket. Raises `MachineError` with its last words."""
        end = time.monotonic() + limit
        while not os.path.exists(path):
            if not self.is_running:
                raise MachineError(f"{self.command[0]} ended before it listened: {tail_of(self.output) or 'no word'}")
            if time.monotonic() > end:
                last = tail_of(self.output) or "nothing"
                raise MachineError(f"{self.command[0]} does not listen at {path}", found=f"last: {last}")
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._lifeline.fileno() >= 0:
            with suppress(OSError):
                self._lifeline.shutdown(socket.SHUT_WR)
            self.wait(_ENDING)
            self._lifeline.close()
        if self._own_keeper is not None:
            self._own_keeper.close()
        if not self._log.closed:
            self._last_output = self._output_from(max(0, os.fstat(self._log.fileno()).st_size - _KEPT))
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def tail_of(text: str) -> str:
    """The last lines of a text, as one."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    last = " | ".join(lines[-4:])
    return last if len(last) <= _TAIL else "..." + last[-_TAIL:]
