"""`Monitor`: a QEMU's QMP monitor as plain calls.

A message is one line of JSON. Events that come while an answer is waited for are kept until they are asked for. Facts
of the protocol are from QEMU's docs/interop/qmp-spec.rst.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from vmstate.errors import MachineError, NoAnswerError, SchemaError
from vmstate.qemu.depth import is_shallow
from vmstate.schema.plain import refuse_many_values

MOST_WORDS = 2000
"""Characters of QEMU's words in an error."""

LIMIT = 60.0
"""Seconds that anything may take unless the caller says otherwise."""

POLL = 0.02
"""Seconds between two questions to QEMU about what takes its time."""

LONGEST = 1 << 24
"""Bytes of a message: more than any answer of QEMU has."""

MOST_EVENTS = 1 << 16
"""Events that are kept until somebody asks for them; of more, or of more than `LONGEST` bytes in all, the last."""

_FORMS: dict[str, Any] = {
    "query-status": {},
    "query-migrate": {},
    "query-migrate-parameters": {},
    "query-migrate-capabilities": [{"capability": str, "state": bool}],
    "query-machines": [{"name": str}],
    "query-commands": [{"name": str}],
    "query-hotpluggable-cpus": [{"vcpus-count": int}],
    "query-uuid": {"UUID": str},
    "query-pci": [{}],
    "query-block": [{}],
    "query-jobs": [{}],
    "query-memdev": [{}],
    "x-query-virtio": [{"path": str, "name": str}],
    "x-query-virtio-queue-status": {},
    "device-list-properties": [{"name": str}],
    "human-monitor-command": str,
    "add-fd": {"fdset-id": int},
}
"""What an answer has, as far as all that ask rely on it; by QEMU's qapi/*.json."""

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
    """A connection to the QMP monitor of a QEMU. Its socket or address is taken over; `close` lets it go.

    `limit` is how many seconds an answer may take. What a QEMU with a monitor for people, or another program, says
    raises `MachineError`, as everything does that goes wrong.
    """

    def __init__(self, address: Address, *, limit: float = LIMIT) -> None:
        self.limit = limit
        self.is_local = not isinstance(address, tuple)
        self._received = bytearray()
        self._events: deque[tuple[dict[str, Any], int]] = deque(maxlen=MOST_EVENTS)
        self._event_bytes = 0
        self._size = 0
        self.received = 0
        self._number = 0
        self._closed: str | None = None
        self._socket = _connected(address, limit)
        try:
            greeting = self._message("QMP: the greeting", limit)
            try:
                version = greeting["QMP"]["version"]
                numbers = version["qemu"]
                self.version = int(numbers["major"]), int(numbers["minor"]), int(numbers["micro"])
                self.build = str(version.get("package", ""))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                raise MachineError("QMP: this is no greeting of QEMU", found=json.dumps(greeting)[:80]) from None
            self.ask("qmp_capabilities", limit=limit)
        except BaseException:
            self.close()
            raise

    version: tuple[int, int, int]
    """QEMU's version: major, minor, micro."""

    received: int
    """Bytes that have come so far."""

    build: str
    """What the distribution calls the build, as query-version says it; may be empty."""

    def ask(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
        *,
        limit: float | None = None,
        is_awaited: Callable[[], bool] | None = None,
    ) -> Any:
        """The answer of QEMU to a command. Raises `MachineError` with QEMU's own words where it refuses.

        `is_awaited` says, when the time is over, whether the answer is waited for as long again.
        """
        return self._execute(command, arguments, limit, is_awaited=is_awaited)

    def ask_or_none(self, command: str, arguments: dict[str, Any] | None = None, *, limit: float | None = None) -> Any:
        """The answer of QEMU to a command; None where it refuses, or has no such command."""
        try:
            return self.ask(command, arguments, limit=limit)
        except NoAnswerError:
            raise
        except MachineError:
            if not self.is_open:
                raise
            return None

    def send_descriptor(self, descriptor: int, name: str) -> None:
        """Give QEMU an open file under a name (getfd). The caller's own stays open."""
        self._execute("getfd", {"fdname": name}, descriptors=[descriptor])

    def add_descriptor(self, descriptor: int) -> int:
        """Give QEMU an open file as /dev/fdset/NUMBER (add-fd); the number. The caller's own stays open."""
        return int(self._execute("add-fd", descriptors=[descriptor])["fdset-id"])

    def _execute(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
        limit: float | None = None,
        descriptors: list[int] | None = None,
        is_awaited: Callable[[], bool] | None = None,
    ) -> Any:
        limit = self.limit if limit is None else limit
        end = time.monotonic() + limit
        self._number += 1
        request = {"execute": command, "id": self._number} | ({"arguments": arguments} if arguments else {})
        self._send(json.dumps(request).encode() + b"\n", descriptors or [], command, limit)
        while True:
            try:
                message = self._message(command, limit, end)
            except NoAnswerError:
                if is_awaited is None or not is_awaited():
                    raise
                end = time.monotonic() + limit
                continue
            if "event" in message:
                self._keep(message)
            elif "error" in message and message.get("id", self._number) == self._number:
                error = message["error"]
                words = error.get("desc") if isinstance(error, dict) else error
                raise MachineError(f"{command}: {str(words)[:MOST_WORDS]}")
            elif message.get("id") == self._number:
                # The answer to another number is one that came too late.
                answer = message.get("return")
                if not _has_form(answer, _FORMS.get(command, object)):
                    raise MachineError(
                        f"{command}: an answer is not of the form that it must have", found=repr(answer)[:80]
                    )
                return answer
            if time.monotonic() > end:
                raise NoAnswerError(f"{command}: no answer in {limit:g} s, but other messages")

    def _keep(self, event: dict[str, Any]) -> None:
        """Keep an event, the message that was read last, and let old ones go where there are too many."""
        if not isinstance(event.get("data", {}), dict):
            raise MachineError("QMP: this is no event of QEMU", found=repr(event)[:80])
        if len(self._events) == self._events.maxlen:
            self._event_bytes -= self._events.popleft()[1]
        self._events.append((event, self._size))
        self._event_bytes += self._size
        while self._event_bytes > LONGEST:
            self._event_bytes -= self._events.popleft()[1]

    def _next(self) -> dict[str, Any]:
        event, size = self._events.popleft()
        self._event_bytes -= size
        return event

    @property
    def is_open(self) -> bool:
        """Whether QEMU is still at the other end."""
        while self._closed is None and self._receive(0):
            pass
        return self._closed is None

    @property
    def peer(self) -> int | None:
        """The process id of QEMU, where the socket is local and tells."""
        if self._socket.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
            return None
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
        return int.from_bytes(raw, sys.byteorder) or None

    def events(self) -> list[dict[str, Any]]:
        """The events that came since they were asked for last."""
        self._collect(0)
        return [self._next() for _ in range(len(self._events))]

    def next_event(self, limit: float) -> dict[str, Any]:
        """The next event, which is waited for. Raises `NoAnswerError` where none comes in so many seconds.

        Nor is one taken where the time is over already: others may come for ever.
        """
        if limit < 0:
            raise NoAnswerError("QMP: other events come, and not the one that is waited for")
        end = time.monotonic() + limit
        while not self._events:
            message = self._message("QMP: an event", limit, end)
            if "event" in message:
                self._keep(message)
            elif time.monotonic() > end:
                raise NoAnswerError(f"QMP: no event in {limit:g} s, but other messages")
        return self._next()

    def wait(self, seconds: float = POLL) -> None:
        """Let time pass, in which events arrive; no more than until QEMU has gone."""
        self._collect(seconds)

    def _collect(self, seconds: float) -> None:
        with contextlib.suppress(MachineError):
            end = time.monotonic() + seconds
            while True:
                message = self._message("QMP", seconds, end)
                if "event" in message:
                    self._keep(message)
                if time.monotonic() > end + 1:
                    # It comes faster than it is read.
                    return

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
                found = str(answer)[:80]
                raise MachineError(f"{command}: QEMU did not get there in time", expected=expected, found=found)
            self.wait()

    def _send(self, line: bytes, descriptors: list[int], command: str, limit: float) -> None:
        if self._closed is not None:
            return
        self._socket.settimeout(limit)
        try:
            sent = socket.send_fds(self._socket, [line], descriptors) if descriptors else 0
            self._socket.sendall(line[sent:])
        except TimeoutError:
            raise NoAnswerError(f"{command}: QEMU takes nothing in {limit:g} s") from None
        except OSError:
            # QEMU has gone; what it said before is still to be read, and behind it the end.
            return

    def _message(self, command: str, limit: float, end: float | None = None) -> dict[str, Any]:
        """The next message. Raises `MachineError`: the connection has ended, or the time `end`, `limit` from now."""
        end = time.monotonic() + limit if end is None else end
        searched = 0
        while (size := self._received.find(b"\n", searched) + 1) == 0:
            searched = len(self._received)
            if self._closed is not None:
                raise MachineError(f"{command}: {self._closed}")
            # What comes byte by byte is no answer in time, either; without time what is there is taken.
            if not self._receive(end - time.monotonic()) or (limit > 0 and time.monotonic() > end):
                raise NoAnswerError(f"{command}: no answer in {limit:g} s")
        line = bytes(self._received[:size])
        del self._received[:size]
        self._size = size
        message = None
        with contextlib.suppress(ValueError, RecursionError, SchemaError):
            refuse_many_values(line, "a message")
            parsed = json.loads(line)
            if b"\\u" in line:
                # Half a character is none, in no argument of a program and in no file.
                json.dumps(parsed, ensure_ascii=False).encode()
            message = parsed
        if not isinstance(message, dict) or not is_shallow(message):
            raise MachineError("this is no QMP monitor", found=repr(line[:60].decode(errors="replace").strip()))
        return message

    def _receive(self, limit: float) -> bool:
        """Take what has come, or comes in so many seconds; False where nothing does."""
        self._socket.settimeout(max(0.0, limit))
        try:
            piece = self._socket.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError as error:
            self._closed = _reason(error)
            return True
        if not piece:
            self._closed = "QEMU closed the connection"
        self._received += piece
        self.received += len(piece)
        if len(self._received) > LONGEST:
            self._closed = "this is no QMP monitor: its messages do not end"
            self._received.clear()
        return True

    def close(self) -> None:
        """End the connection; QEMU goes on."""
        self._socket.close()
        self._closed = self._closed or "the connection is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _has_form(answer: Any, form: Any) -> bool:
    """Whether an answer is of a type, a list of what is of one form, or an object that has such members at least."""
    if isinstance(form, list):
        return isinstance(answer, list) and all(_has_form(element, form[0]) for element in answer)
    if isinstance(form, dict):
        return isinstance(answer, dict) and all(_has_form(answer.get(name), member) for name, member in form.items())
    return isinstance(answer, form)


@contextlib.contextmanager
def answers_understood() -> Iterator[None]:
    """Let answers of another form than QMP's be one `MachineError`: at the other end may be any program."""
    try:
        yield
    except (TypeError, KeyError, AttributeError, IndexError, ValueError, RecursionError, OverflowError) as error:
        raise MachineError(f"QMP: an answer is not of the form that it must have: {error}"[:MOST_WORDS]) from error


def _connected(address: Address, limit: float) -> socket.socket:
    if isinstance(address, socket.socket):
        return address
    try:
        if isinstance(address, tuple):
            return socket.create_connection(address, limit)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(limit)
            connection.connect(address)
        except BaseException:
            connection.close()
            raise
    except (OSError, ValueError) as error:
        raise MachineError(f"QMP: {_reason(error)}") from None
    return connection


def _reason(error: OSError | ValueError) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower()


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
