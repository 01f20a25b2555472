"""`Machine`: a QEMU that is started, asked, typed into, and never left behind.

    with Machine(["qemu-system-x86_64", "-M", "microvm", ...], console=True) as machine:
        machine.wait_for("login:")
        print(machine.ask("query-status"))

QMP, the console and migration streams go over sockets and pipes that QEMU inherits: there are no socket files, and a
QEMU in another root needs no folder in common. `keeper.py` stands between and kills QEMU when this process ends,
however it ends.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from vmstate.errors import MachineError
from vmstate.qemu.monitor import LIMIT, Monitor
from vmstate.qemu.process import Keeper, Process, tail_of
from vmstate.vmsd.data import Data

MONITOR = "vmstate-qmp"
"""The id of the monitor's character device, which a `Machine` adds to its command line."""

_CONSOLE = "vmstate-console"
_KEPT = 1 << 20
_HAS_DISPLAY = ("-display", "-nographic", "-vnc", "-spice", "-curses", "-sdl")


class Qemu(Data):
    """A QEMU to run: the words in front of its options, and what its environment needs besides this process's own."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


def words_of(command: str) -> list[str]:
    """The words of a command line that is one text, as a shell reads it. Raises `MachineError`."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise MachineError(f"the command line cannot be read: {error}", found=repr(command[:80])) from None


def command_in(text: str) -> list[str]:
    """A command line of QEMU that is one text. Raises `MachineError` for any other program.

    The text may have been meant for the name of a file that is not there: no program is started for that.
    """
    words = words_of(text)
    if not any(name in os.path.basename(word) for word in words[:1] for name in ("qemu", "kvm")):
        expected = "a file, or qemu-system-... and its options; any program can stand behind --"
        raise MachineError("there is no such file, and this is no command line of QEMU", file=text, expected=expected)
    return words


def find_qemu(program: str, root: str | os.PathLike[str] | None = None) -> Qemu:
    """A QEMU by name or path, or the one of that name in a root.

    A root is a folder with a system of its own: its QEMU is run by the root's own dynamic loader, with the root's
    libraries and firmware, on this system's files and devices; no chroot and no privilege are needed. Raises
    `MachineError`.
    """
    if root is None:
        path = shutil.which(program)
        if path is None:
            raise MachineError(f"there is no {program} here: install QEMU, or name its path")
        return Qemu((path,))
    top = Path(root).absolute()
    command = find_program(program, top)
    data = [top / name for name in ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")]
    firmware = [word for folder in data if folder.is_dir() for word in ("-L", str(folder))]
    modules = _paths_matching(top, ("usr/lib/*-linux-gnu*/qemu", "usr/lib64/qemu", "usr/lib/qemu"))
    environment = (("QEMU_MODULE_DIR", str(top / modules[0])),) if modules else ()
    return Qemu((*command, *firmware), environment)


def find_program(program: str, root: str | os.PathLike[str]) -> tuple[str, ...]:
    """The words that run a program of a root by the root's own dynamic loader. Raises `MachineError`."""
    top = Path(root).absolute()
    binary = _in_root(top, f"usr/bin/{program}")
    if binary is None:
        raise MachineError("the root has no such program", file=str(top), expected=f"usr/bin/{program}")
    loaders = [
        place for name in _paths_matching(top, ("lib64/ld-*.so.*", "lib/ld-*.so.*")) if (place := _in_root(top, name))
    ]
    if not loaders:
        raise MachineError("the root has no dynamic loader", file=str(top), expected="lib64/ld-linux-x86-64.so.2")
    libraries: list[str] = [
        str(top / name)
        for name in _paths_matching(top, ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib64", "usr/lib"))
    ]
    libraries += [f"{folder}/pulseaudio" for folder in libraries if os.path.isdir(f"{folder}/pulseaudio")]
    return (str(loaders[0]), "--library-path", ":".join(libraries), str(binary))


def _paths_matching(top: Path, patterns: Iterable[str]) -> list[str]:
    return [str(path.relative_to(top)) for pattern in patterns for path in sorted(top.glob(pattern))]


def _in_root(top: Path, name: str) -> Path | None:
    """What a name means inside a root, where an absolute link is one from the root's top."""
    for _ in range(8):
        path = top / name
        if not path.is_symlink():
            return path if path.exists() else None
        target = os.readlink(path)
        name = target.lstrip("/") if target.startswith("/") else os.path.join(os.path.dirname(name), target)
    return None


class Machine:
    """A running QEMU.

    `argv` is its command line; the first word is a program, a path, or a wrapper such as chroot, unless `qemu` says
    what to run in its place. With `console` the first serial port, which is added where there is none, is for
    `wait_for` and `type`.
    `keeper` starts it, `descriptors` are open files that it inherits under the same numbers, `scratch` files and
    folders that are removed when it ends, `limits` what it may have at most (see `Process`). `folder` is where it runs,
    `limit` how many seconds anything may take. Raises `MachineError` where QEMU does not start.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        qemu: Qemu | None = None,
        console: bool = False,
        keeper: Keeper | None = None,
        descriptors: Sequence[int] = (),
        scratch: Sequence[str] = (),
        folder: str | None = None,
        limits: Mapping[str, int] | None = None,
        limit: float = LIMIT,
    ) -> None:
        if not argv:
            raise MachineError("there is no command line to start QEMU with")
        if any(word in ("-daemonize", "--daemonize") for word in argv):
            raise MachineError("a QEMU that makes itself a daemon cannot be kept: leave -daemonize out")
        self.limit = limit
        self.argv = list(argv)
        program = qemu or find_qemu(argv[0])
        self._heard = bytearray()
        self._typed = 0
        self._console: socket.socket | None = None
        with ExitStack() as ends, ExitStack() as failing:
            ours, theirs = socket.socketpair()
            ends.enter_context(theirs)
            failing.enter_context(ours)
            inherited = [theirs.fileno()]
            words = [*program.command, *argv[1:], *_monitor_words(theirs.fileno())]
            if not any(word.replace("--", "-", 1) in _HAS_DISPLAY for word in argv):
                words += ["-display", "none"]
            if console:
                self._console, far = socket.socketpair()
                failing.enter_context(self._console)
                ends.enter_context(far)
                inherited.append(far.fileno())
                words = _with_console(words, far.fileno())
            self._process = Process(
                words,
                keeper=keeper,
                descriptors=[*inherited, *descriptors],
                scratch=scratch,
                folder=folder,
                environment=dict(program.environment),
                limits=limits,
            )
            failing.callback(self._process.stop)
            # Where QEMU ends, so do its connections.
            ends.close()
            try:
                self.monitor = Monitor(ours, limit=limit)
            except MachineError as error:
                self._process.wait(2)
                raise self._with_last_words("QEMU did not start", error) from None
            failing.pop_all()

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What QEMU printed so far, standard output and error together, but for remarks on the words added here."""
        text = self._process.output
        return "".join(line for line in text.splitlines(keepends=True) if f"chardev={MONITOR}" not in line)

    def new_output(self) -> str:
        """What QEMU printed since this was asked last, standard output and error together."""
        return self._process.new_output()

    @property
    def console_output(self) -> str:
        """What the guest printed on its console so far, as far as it was waited for; of much, the end."""
        return self._heard.decode(errors="replace")

    def failure(self, message: str, error: MachineError | None = None) -> MachineError:
        """An error that ends with the last words of QEMU, or else of its guest."""
        if error is not None and not self.monitor.is_open:
            # The last words may still be on their way.
            self.wait_for_end(2)
        return self._with_last_words(message, error)

    def _with_last_words(self, message: str, error: MachineError | None) -> MachineError:
        last = tail_of(self.output) or tail_of(self.console_output)
        text = message if error is None or last else f"{message}: {error}"
        return MachineError(f"{text}: {last}" if last else text, output=self.output + self.console_output)

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """The answer of QEMU to a QMP command. Raises `MachineError` where it refuses, has gone, or does not answer."""
        try:
            return self.monitor.ask(command, arguments)
        except MachineError as error:
            if self.monitor.is_open:
                raise
            raise self.failure(f"{command}: QEMU has gone", error) from None

    def wait_for(self, text: str, limit: float | None = None) -> str:
        """What the guest prints on its console up to a text and with it. Raises `MachineError` with the last of it."""
        assert self._console is not None, "the machine has no console"
        wanted = text.encode()
        limit = self.limit if limit is None else limit
        end = time.monotonic() + limit
        while (place := self._heard.find(wanted)) < 0:
            left = end - time.monotonic()
            if left <= 0:
                last = tail_of(self.console_output) or tail_of(self.output) or "nothing"
                raise MachineError(
                    f"the guest did not print {text!r} in {limit:g} s",
                    found=f"last: {last}",
                    output=self.output + self.console_output,
                )
            if not select.select([self._console], [], [], min(left, 1.0))[0]:
                continue
            try:
                heard = self._console.recv(65536)
            except OSError:
                heard = b""
            if not heard:
                self.wait_for_end(2)
                raise self.failure(f"QEMU ended before its guest printed {text!r}")
            self._heard += heard
            del self._heard[: max(0, len(self._heard) - _KEPT)]
        place += len(wanted)
        printed = bytes(self._heard[:place])
        del self._heard[:place]
        return printed.decode(errors="replace")

    def type(self, line: str, limit: float | None = None) -> str:
        """What a command that is typed into the shell on the guest's console prints.

        Raises `MachineError` where it does not end in time, or ends with another status than 0.
        """
        assert self._console is not None, "the machine has no console"
        self._typed += 1
        # The quotes keep the echo of what is typed from being taken for its end.
        begin, done = f"BEGIN-{self._typed}-", f"DONE-{self._typed}-"
        quoted_begin, quoted_done = (f"{word[:3]}''{word[3:]}" for word in (begin, done))
        text = f"echo {quoted_begin}; {line}; echo {quoted_done}$?-\n"
        self._send(text.encode(), limit)
        self.wait_for(begin, limit)
        printed = self.wait_for(done, limit).removesuffix(done)
        status = self.wait_for("-", limit).removesuffix("-")
        if status != "0":
            raise MachineError(
                f"the guest's command {line!r} ended with status {status[:40]}", found=tail_of(printed) or None
            )
        return printed.replace("\r\n", "\n").strip("\n")

    def _send(self, data: bytes, limit: float | None) -> None:
        assert self._console is not None
        self._console.settimeout(self.limit if limit is None else limit)
        try:
            self._console.sendall(data)
        except OSError:
            raise self.failure("the guest's console takes nothing") from None
        finally:
            self._console.settimeout(None)

    def wait_for_end(self, limit: float | None = None) -> int | None:
        """The exit code of QEMU, minus the signal's number where one ended it; None where it has not ended in time."""
        return self._process.wait(self.limit if limit is None else limit)

    def stop(self) -> None:
        """End QEMU, whatever it does."""
        self.monitor.close()
        if self._console is not None:
            self._console.close()
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _monitor_words(descriptor: int) -> list[str]:
    return ["-chardev", f"socket,id={MONITOR},fd={descriptor}", "-mon", f"chardev={MONITOR},mode=control"]


def _with_console(words: Sequence[str], descriptor: int) -> list[str]:
    """A command line whose first serial port is a socket that QEMU inherits."""
    first = next((place for place, word in enumerate(words) if word in ("-serial", "--serial")), None)
    device = ["-chardev", f"socket,id={_CONSOLE},fd={descriptor}"]
    if first is None:
        return [*words, *device, "-serial", f"chardev:{_CONSOLE}"]
    return [*words[: first + 1], f"chardev:{_CONSOLE}", *words[first + 2 :], *device]
