"""The process between a tool and the programs it starts: when the tool is gone, however it went, so are they.

    python -I -S keeper.py CONTROL

CONTROL is a stream socket. Each request on it is the length of a JSON object in four bytes, big endian, and the object,
whose first byte brings descriptors (SCM_RIGHTS):

    command        the words to run, in a session of their own
    environment    all of its variables
    folder         where it runs, or null
    descriptors    the numbers under which it inherits the descriptors behind the first two
    limits         {resource: most}, by the names of the resource module without RLIMIT_
    scratch        files and folders that are removed when it has ended

The first descriptor is the program's lifeline, a socket; the second is its standard output and error. The keeper writes
its process id on the lifeline, and when it has ended its exit code, or minus the number of the signal that ended it, a
line each; 127 stands for a program that could not be started. When the lifeline is cut (shut down or closed) the
program and everything it started in its session are killed; when CONTROL is closed, which the system does even for a
tool that was killed, all programs are.

This file runs as a script and imports nothing of vmstate.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any, NamedTuple

PR_SET_PDEATHSIG = 1
"""From Linux' include/uapi/linux/prctl.h."""

MOST_DESCRIPTORS = 253
"""As many as one message may bring: SCM_MAX_FD in Linux' include/net/scm.h."""


class Program(NamedTuple):
    """A program that runs: its process id, its lifeline, and what is removed after it."""

    pid: int
    lifeline: socket.socket
    scratch: list[str]


def receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request and its descriptors; None where the tool is gone."""
    head, descriptors, _, _ = socket.recv_fds(control, 4, MOST_DESCRIPTORS)
    for descriptor in descriptors:
        # recv_fds passes no flag on (Python 3.11), so that they come inheritable.
        os.set_inheritable(descriptor, False)
    head += _read(control, 4 - len(head)) if head else b""
    size = int.from_bytes(head, "big")
    text = _read(control, size)
    return (json.loads(text), descriptors) if size and len(text) == size else None


def _read(control: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the tool is gone."""
    pieces = []
    while size and (piece := control.recv(min(size, 1 << 16))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def start(request: dict[str, Any], descriptors: list[int]) -> int:
    """The process id of a program, started in its own session."""
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    command = request["command"]
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _inherit(descriptors[1:], [1, *request["descriptors"]])
        os.dup2(1, 2)
        for name, most in request["limits"].items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        if request["folder"] is not None:
            os.chdir(request["folder"])
        _die_with_parent()
        if os.getppid() == keeper:
            os.execvpe(command[0], command, request["environment"])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        os.write(2, f"{command[0]}: {reason}\n".encode(errors="surrogateescape"))
    finally:
        os._exit(127)


def _inherit(descriptors: list[int], numbers: list[int]) -> None:
    """Put open descriptors at the numbers that a program knows them by."""
    # First out of the way of all numbers that are wanted.
    beyond = max(numbers) + 1
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, beyond) for descriptor in descriptors]
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number)


def _die_with_parent() -> None:
    """Ask the system to kill this process when the keeper dies. Without a libc that has prctl nothing is asked."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def keep(control: socket.socket) -> None:
    """Start programs and watch them until the tool is gone; then end them all."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running: dict[int, Program] = {}
    watched: dict[int, Program] = {}
    poll = select.poll()
    for descriptor in (woken, control.fileno()):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        # Lifelines first: the descriptor of one that is closed below can come again with the next program.
        for descriptor in ready & watched.keys():
            poll.unregister(descriptor)
            _end(watched.pop(descriptor))
        if control.fileno() in ready:
            try:
                request = receive(control)
            except OSError:
                request = None
            if request is None:
                _end_all(running)
                return
            program = _started(*request)
            running[program.pid] = watched[program.lifeline.fileno()] = program
            poll.register(program.lifeline, select.POLLIN)
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            for program in [program for program in running.values() if _has_ended(program)]:
                del running[program.pid]
                if watched.pop(program.lifeline.fileno(), None):
                    poll.unregister(program.lifeline)
                program.lifeline.close()


def _started(request: dict[str, Any], descriptors: list[int]) -> Program:
    lifeline = socket.socket(fileno=descriptors[0])
    pid = start(request, descriptors)
    for descriptor in descriptors[1:]:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        lifeline.sendall(f"{pid}\n".encode())
    return Program(pid, lifeline, request["scratch"])


def _has_ended(program: Program) -> bool:
    """Whether a program has ended; if so, nothing of it is left, and its exit code has been told."""
    ended, status = os.waitpid(program.pid, os.WNOHANG)
    if ended:
        _clear_up(program)
        with contextlib.suppress(OSError):
            program.lifeline.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    return bool(ended)


def _end_all(running: dict[int, Program]) -> None:
    for program in running.values():
        _end(program)
    for program in running.values():
        os.waitpid(program.pid, 0)
        _clear_up(program)


def _end(program: Program) -> None:
    """Kill a program that has not been waited for, and all of its session."""
    _kill_group(program.pid)
    # Where it was started only now it has no session yet.
    with contextlib.suppress(ProcessLookupError):
        os.kill(program.pid, signal.SIGKILL)


def _clear_up(program: Program) -> None:
    _kill_group(program.pid)
    for path in program.scratch:
        _remove(path)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _remove(path: str) -> None:
    """Remove a file, or a folder with all that is in it, as far as that is possible."""
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            for entry in os.listdir(path):
                _remove(os.path.join(path, entry))
            os.rmdir(path)
        else:
            os.unlink(path)


def main() -> None:
    """Run as a script."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever ends the tool's process group means the tool: its sockets say when it has ended.
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        keep(control)
    os._exit(0)


if __name__ == "__main__":
    main()
