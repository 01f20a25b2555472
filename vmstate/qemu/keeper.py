"""The process between a tool and its QEMU: when the tool is gone, however it went, so is the QEMU.

    python -I -S keeper.py LIFELINE SCRATCH... -- COMMAND...

Runs COMMAND in a session of its own, tells its process id on the socket LIFELINE (a descriptor), and waits. When the
other end of the socket is closed, which the system does even for a tool that was killed, the command and everything it
started is killed. Then the SCRATCH files are removed, and the exit code is that of the command, 128 more than the
number of the signal that ended it, or 127 where it could not be started.

This file runs as a script and imports nothing of vmstate.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From Linux' include/uapi/linux/prctl.h."""


def die_with_parent() -> None:
    """Ask the system to kill this process when its parent dies. Without a libc that has prctl nothing is asked."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(command: list[str], lifeline: int) -> int:
    """The process id of the command, started in its own session."""
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.close(lifeline)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent()
        if os.getppid() == keeper:
            os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode(errors="surrogateescape"))
    os._exit(127)


def keep(child: int, lifeline: int) -> int:
    """The exit code of the child, which is killed when the lifeline is cut."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    with contextlib.suppress(OSError):
        # Only now: a child that ended before cannot be missed.
        os.write(lifeline, f"{child}\n".encode())
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        readable, _, _ = select.select([ended, lifeline], [], [])
        if lifeline in readable:
            _kill(child)
            _, status = os.waitpid(child, 0)
            break
        os.read(ended, 64)
    _kill(child)
    return os.waitstatus_to_exitcode(status)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Run as a script."""
    words = sys.argv[1:]
    cut = words.index("--")
    lifeline, scratch, command = int(words[0]), words[1:cut], words[cut + 1 :]
    os.set_inheritable(lifeline, False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever ends the tool's process group means the tool: the lifeline says when it has ended.
        signal.signal(number, signal.SIG_IGN)
    code = keep(start(command, lifeline), lifeline)
    for path in scratch:
        with contextlib.suppress(OSError):
            os.unlink(path)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
