"""`Monitor`: QMP as plain calls, on qemu.qmp, which is asynchronous.

Each call runs the event loop until it is done or its time is over; in between nothing runs, and events wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vmstate.errors import MachineError

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

LIMIT = 60.0
"""Seconds that anything may take unless the caller says otherwise."""

POLL = 0.02
"""Seconds between two questions to QEMU about what takes its time."""


def qmp_module() -> Any:
    """The package qemu.qmp. Raises `MachineError` where it is not installed."""
    try:
        import qemu.qmp
    except ImportError:
        raise MachineError("this needs the package qemu.qmp: pip install 'qemu-vmstate[lab]'") from None
    return qemu.qmp


Address = str | tuple[str, int] | socket.socket


def read_address(text: str) -> str | tuple[str, int]:
    """A monitor's address as QEMU's options write it: `unix:PATH`, `tcp:HOST:PORT`, or either without its first word.

    What follows a comma (`server=on,wait=off`) is the server's business. Raises `MachineError`.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return rest.partition(",")[0]
    if kind == "tcp":
        text = rest.partition(",")[0]
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and "/" not in text:
        return host.strip("[]") or "localhost", int(port)
    if kind == "tcp" or not text:
        raise MachineError("no address of a monitor", expected="unix:PATH or tcp:HOST:PORT", found=repr(text))
    return text


class Monitor:
    """A connection to the QMP monitor of a QEMU. Its socket or address is taken over; `close` lets it go."""

    def __init__(self, address: Address, *, limit: float = LIMIT) -> None:
        qmp = qmp_module()
        self.limit = limit
        self.is_local = not isinstance(address, tuple)
        self._errors: tuple[type[BaseException], ...] = (qmp.QMPError, OSError, EOFError, asyncio.CancelledError)
        self._refused: type[Exception] = qmp.qmp_client.ExecuteError
        self._loop = asyncio.new_event_loop()
        # Where a signal ends a call, tasks are left that nobody asks any more: they must not complain.
        self._loop.set_exception_handler(lambda loop, context: None)
        self._client: QMPClient = qmp.QMPClient("vmstate")
        # What is said on the connection is for exceptions to say, not for a log.
        self._client.logger.disabled = True
        self._events = qmp.EventListener()
        self._client.register_listener(self._events)
        try:
            self._run(self._client.connect(address), limit, "QMP: the greeting")
        except BaseException:
            self.close()
            raise

    def ask(self, command: str, arguments: dict[str, Any] | None = None, *, limit: float | None = None) -> Any:
        """The answer of QEMU to a command. Raises `MachineError` with QEMU's own words where it refuses."""
        return self._run(self._client.execute(command, arguments or None), limit or self.limit, command)

    def asks(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """The same; None where QEMU refuses, or has no such command."""
        try:
            return self.ask(command, arguments)
        except MachineError:
            if not self.is_open:
                raise
            return None

    @property
    def is_open(self) -> bool:
        """Whether QEMU is still at the other end."""
        return bool(self._client.runstate.name == "RUNNING")

    @property
    def version(self) -> tuple[int, int, int]:
        """QEMU's version: major, minor, micro."""
        greeting = self._client.greeting
        assert greeting is not None
        said: Any = greeting.QMP.version["qemu"]
        return int(said["major"]), int(said["minor"]), int(said["micro"])

    @property
    def build(self) -> str:
        """What the distribution calls the build, as query-version says it; may be empty."""
        greeting = self._client.greeting
        assert greeting is not None
        return str(greeting.QMP.version.get("package", ""))

    @property
    def peer(self) -> int | None:
        """The process id of QEMU, where the socket is local and tells."""
        writer = self._client._writer
        made = None if writer is None else writer.transport.get_extra_info("socket")
        if made is None or made.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
            return None
        raw = made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
        return int.from_bytes(raw, "little") or None

    def send_descriptor(self, descriptor: int, name: str) -> None:
        """Give QEMU an open file under a name (getfd). The caller's own stays open."""

        async def give() -> None:
            self._client.send_fd_scm(descriptor)
            await self._client.execute("getfd", {"fdname": name})

        self._run(give(), self.limit, "getfd")

    def events(self) -> list[Any]:
        """The events that came since they were asked for last."""
        return list(self._events.clear())

    def wait(self, seconds: float = POLL) -> None:
        """Let time pass, in which events arrive."""
        self._run(asyncio.sleep(seconds), seconds + self.limit, "waiting")

    def until(self, command: str, wanted: Iterable[tuple[str, Any]], limit: float | None = None) -> Any:
        """Ask a query again and again until its answer has one of the (key, value) pairs; that answer."""
        end = time.monotonic() + (self.limit if limit is None else limit)
        pairs = list(wanted)
        while True:
            answer = self.ask(command)
            if any(answer.get(key) == value for key, value in pairs):
                return answer
            if time.monotonic() > end:
                expected = " or ".join(f"{key} {value!r}" for key, value in pairs)
                raise MachineError(f"{command}: QEMU did not get there in time", expected=expected, found=str(answer))
            self.wait()

    def _run(self, what: Coroutine[Any, Any, Any], limit: float, name: str) -> Any:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(what, limit))
        except TimeoutError:
            raise MachineError(f"{name}: no answer in {limit:g} s") from None
        except self._refused as error:
            raise MachineError(f"{name}: {error}") from None
        except self._errors as error:
            raise MachineError(f"{name}: {_reason(error)}") from None

    def close(self) -> None:
        """End the connection; QEMU goes on."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(MachineError, Exception):
            self._run(self._client.disconnect(), 5, "disconnecting")
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _reason(error: BaseException) -> str:
    """The root of an error of qemu.qmp, which wraps what the system said."""
    inner = error
    while (wrapped := getattr(inner, "exc", None) or inner.__cause__) is not None:
        inner = wrapped
    if isinstance(inner, EOFError):
        return "QEMU closed the connection"
    if isinstance(inner, OSError):
        return (inner.strerror or str(inner) or type(inner).__name__).lower()
    return str(error) or type(error).__name__


def command_line_of(pid: int) -> list[str] | None:
    """The command line of a QEMU, where this user may read it; None for a process that is none.

    A monitor's socket can have been opened by another program, which handed it on.
    """
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    words = [word.decode("utf-8", "backslashreplace") for word in raw.split(b"\0")[:-1]]
    return words if any("qemu" in Path(word).name for word in words[:4]) else None
