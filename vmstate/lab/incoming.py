"""A stream into a QEMU: the destination is started, fed, and asked; where it refuses, the place in the stream is told
(vmstate.lab.refusal).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import zip_longest
from typing import IO, Any

from vmstate.errors import MachineError, VMStateError
from vmstate.files import PIECE
from vmstate.lab.refusal import RefusalPlace, explain_refusal, words_of
from vmstate.qemu.machine import MONITOR, Machine, Qemu
from vmstate.qemu.memory import backend_words, has_backend, with_paths
from vmstate.qemu.migration import set_capabilities
from vmstate.qemu.monitor import LIMIT, MOST_WORDS, answers_understood
from vmstate.qemu.process import Keeper
from vmstate.qemu.provenance import provenance_path, read_provenance
from vmstate.qemu.trust import program_of
from vmstate.saved.loading import load
from vmstate.saved.opening import Input, open_input
from vmstate.stream.events import MAGIC, ConfigurationSection, Header
from vmstate.stream.no_stream import not_a_stream
from vmstate.stream.reader import StreamReader
from vmstate.vmsd.data import Data

ON_BOTH_SIDES = ("x-ignore-shared", "mapped-ram", "multifd", "xbzrle", "compress", "validate-uuid", "zero-blocks")
"""Capabilities that a destination must have, or may, if the source had them."""


NO_MEMORY = (
    "the stream is without guest memory (x-ignore-shared), and no provenance says where it is: rings and other "
    "structures in it are read at load"
)


OF_ONE_QEMU = ("incoming", "qmp", "qmp-pretty", "monitor", "pidfile")
"""Options whose value is a place that a second QEMU would take from the first; none of them is in a stream."""


FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that somebody else ends a QEMU with: they say nothing of the stream."""


class Outcome(Data):
    """What became of a stream in a QEMU.

    `accepted`; the run state that `status` names ("running", "paused"), or None; `error`, QEMU's own words; `places`,
    what they mean in the stream; `qemu_version`; `argv`, the command line.
    """

    accepted: bool
    status: str | None
    error: str | None
    places: tuple[RefusalPlace, ...]
    qemu_version: str
    argv: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        return {
            "accepted": self.accepted,
            "status": self.status,
            "error": self.error,
            "places": [
                {"section": place.section, "path": place.path, "offset": place.offset, "message": place.message}
                for place in self.places
            ],
            "qemu_version": self.qemu_version,
            "argv": list(self.argv),
        }


class QemuDestination:
    """A QEMU that takes a stream: `machine` is there from the start, `feed` gives it the stream.

    `argv` is its command line without -incoming; None takes that of the provenance beside the stream, or beside the
    stream `origin` that this one was made from. Guest memory that the provenance names is mapped privately, so that it
    can be loaded again. `capabilities` are migration capabilities to switch on beside those that the stream and its
    provenance name. `keeper` starts it. Raises `VMStateError`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        argv: Sequence[str] | None = None,
        *,
        origin: str | os.PathLike[str] | None = None,
        qemu: Qemu | None = None,
        console: bool = False,
        capabilities: Sequence[str] = (),
        keeper: Keeper | None = None,
        limit: float = LIMIT,
    ) -> None:
        self.path = os.fspath(path)
        self.limit = limit
        origin = self.path if origin is None else os.fspath(origin)
        with ExitStack() as stack:
            self.source = stack.enter_context(open_input(path))
            if bytes(self.source.data[: len(MAGIC)]) != MAGIC:
                raise not_a_stream(bytes(self.source.data[: len(MAGIC)]), file=self.path)
            known = None if origin == "-" else read_provenance(origin)
            argv, folder = _command_line(argv, known, self.path, qemu)
            self.argv = tuple(argv)
            capabilities = list(dict.fromkeys((*_capabilities(self.source, known or {}), *capabilities)))
            words = with_memory(argv, known or {}, origin)
            self._lacks_memory = "x-ignore-shared" in capabilities and words == list(argv)
            reading, self.writing = os.pipe()
            stack.callback(_close, reading)
            failing = stack.enter_context(ExitStack())
            failing.callback(_close, self.writing)
            spool = _as_file(self.source) if "mapped-ram" in capabilities else None
            if spool is not None:
                stack.callback(os.close, spool)
            inherited = [reading] if spool is None else [spool]
            self.machine = Machine(
                [*words, "-incoming", "defer"],
                qemu=qemu,
                console=console or bool(known and known.get("console")),
                keeper=keeper,
                descriptors=inherited,
                folder=folder if folder and os.path.isdir(folder) else None,
                limit=limit,
            )
            failing.callback(self.machine.stop)
            try:
                set_capabilities(self.machine, capabilities)
            except MachineError as error:
                raise MachineError(f"the destination has not got what the stream needs: {error}") from None
            self.uri = f"fd:{reading}" if spool is None else f"file:/proc/self/fd/{spool}"
            failing.pop_all()
            stack.pop_all().callback(self.source.close)
        if spool is not None:
            os.close(spool)
        os.close(reading)
        self._sent = 0
        self._writer: threading.Thread | None = None

    @answers_understood()
    def feed(self) -> Outcome:
        """Give QEMU the stream; what became of it. Raises `MachineError` where it neither takes nor refuses it."""
        self.machine.ask("migrate-incoming", {"uri": self.uri})
        pipe = open(self.writing, "wb", buffering=0)  # noqa: SIM115 (closed by the thread)
        self.writing = -1
        self._writer = threading.Thread(target=self._write, args=(pipe,), daemon=True)
        self._writer.start()
        version = ".".join(map(str, self.machine.monitor.version))
        status, error = self._follow()
        if status is not None:
            return Outcome(True, status, None, (), version, self.argv)
        reason = error or words_of(self.machine.output) or "QEMU ended without a word"
        places = explain_refusal(self.source, self.machine.output)
        if self._lacks_memory:
            places.append(RefusalPlace("ram", None, None, NO_MEMORY))
        return Outcome(False, None, reason, tuple(places), version, self.argv)

    def _write(self, pipe: IO[bytes]) -> None:
        data = self.source.data
        # Where QEMU reads no further it says itself why.
        with suppress(OSError), pipe:
            while self._sent < len(data):
                self._sent += pipe.write(data[self._sent : self._sent + (1 << 16)]) or 0
                if self._sent % PIECE == 0:
                    self.source.release(self._sent - PIECE, self._sent)

    def _follow(self) -> tuple[str | None, str | None]:
        """The run state once the stream is in, or None and what QEMU says, if it stays to say it."""
        end = time.monotonic() + self.limit
        while True:
            try:
                answer = self.machine.monitor.ask("query-migrate")
                if answer.get("status") == "failed":
                    return None, str(answer.get("error-desc") or "")[:MOST_WORDS]
                if answer.get("status") == "completed":
                    status = self.machine.monitor.ask("query-status")["status"]
                    if status != "inmigrate":
                        return str(status), None
            except MachineError:
                if self.machine.monitor.is_open:
                    raise
                return None, self._last_words()
            if time.monotonic() > end:
                taken = f"{self._sent} of {len(self.source.data)} bytes{self._up_to_section(self._sent)}"
                raise MachineError(
                    f"the destination did not end the load in {self.limit:g} s",
                    expected="running, or an error",
                    found=f"it has taken {taken}",
                )
            try:
                self.machine.monitor.wait()
            except MachineError:
                continue

    def _last_words(self) -> str | None:
        """What a QEMU that ended itself leaves to say, if anything. Raises `MachineError` for one that was ended."""
        code = self.machine.wait_for_end(5)
        if code is None or code >= 0:
            return None
        name = signal.Signals(-code).name
        words = words_of(self.machine.output)
        if -code in FROM_OUTSIDE:
            raise MachineError(f"QEMU was ended by {name} while it took the stream", found=words or None)
        return f"{words} | QEMU ended by {name}".removeprefix(" | ")

    def _up_to_section(self, offset: int) -> str:
        with suppress(VMStateError), load(self.source.data) as stream:
            section = stream.section_at(offset)
            return "" if section is None else f", up to section {section.name}"
        return ""

    def close(self) -> None:
        """End QEMU, and let the stream go."""
        self.machine.stop()
        if self._writer is not None:
            # Nobody reads any more, so it does not wait.
            self._writer.join()
        if self.writing >= 0:
            _close(self.writing)
            self.writing = -1
        self.source.close()

    def __enter__(self) -> QemuDestination:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _command_line(
    argv: Sequence[str] | None, known: dict[str, Any] | None, path: str, qemu: Qemu | None
) -> tuple[Sequence[str], str | None]:
    """The command line to start, that of the provenance where none is given, and the folder it is meant for."""
    folder = None
    if argv is None:
        if not (known and known.get("argv")):
            expected = f"{provenance_path(path)}, or QEMU's command line"
            raise MachineError("nothing says which QEMU to start", file=path, expected=expected)
        argv = without_own_places([str(word) for word in known["argv"]])
        # Of a program that came with a file the name counts, not the place.
        argv = [program_of(argv) if qemu is None else argv[0], *argv[1:]]
        folder = known.get("folder")
    for option in ("incoming", "loadvm"):
        if any(word.lstrip("-") == option and word.startswith("-") for word in argv):
            raise MachineError(f"the destination is given the stream here: leave -{option} out")
    return argv, folder


def without_own_places(argv: Sequence[str]) -> list[str]:
    """The command line of a QEMU for a second one: without the monitors, process id file and stream of the first."""
    words: list[str] = []
    skipped = False
    for word, value in zip_longest(argv, argv[1:], fillvalue=""):
        name = word.lstrip("-") if word.startswith("-") else ""
        if skipped or name == "daemonize":
            skipped = False
        elif name in OF_ONE_QEMU or (name in ("chardev", "mon") and MONITOR in value):
            skipped = True
        else:
            words.append(word)
    return words


def _close(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)


def _capabilities(source: Input, known: dict[str, Any]) -> list[str]:
    """The capabilities that the destination needs: those the stream names, and those the source had."""
    named: list[str] = []
    with suppress(VMStateError):
        for event in StreamReader.over(source.data, origin=source.origin).events():
            if isinstance(event, ConfigurationSection):
                named = list(event.state.capability_names)
            if not isinstance(event, Header):
                break
    had = [name for name in known.get("capabilities", []) if name in ON_BOTH_SIDES]
    return list(dict.fromkeys([*named, *had]))


def _as_file(source: Input) -> int:
    """A descriptor of a file with the bytes of a stream, for a QEMU that reads here and there in it."""
    import tempfile

    from vmstate.saved.packing import at_origin

    with tempfile.TemporaryFile() as file:
        for piece in at_origin(source, source.origin, 0):
            file.write(piece)
        file.flush()
        return os.dup(file.fileno())


def with_memory(argv: Sequence[str], known: dict[str, Any], path: str) -> list[str]:
    """A command line with the guest memory that stands beside a stream, if any does. Raises `MachineError`."""
    folder = os.path.dirname(os.path.abspath(path))
    paths = {}
    for entry in known.get("memory") or []:
        place = os.path.join(folder, str(entry["file"]))
        if not os.path.exists(place):
            raise MachineError("the guest's memory is not beside the stream", file=place)
        paths[str(entry["id"])] = place
    words = with_paths(argv, paths)
    for entry in known.get("memory") or []:
        identifier = str(entry["id"])
        if entry.get("added") and not has_backend(argv):
            words += backend_words(int(entry["size"]), paths[identifier], share=False, identifier=identifier)
    return words


def load_into_qemu(
    path: str | os.PathLike[str],
    argv: Sequence[str] | None = None,
    *,
    origin: str | os.PathLike[str] | None = None,
    qemu: Qemu | None = None,
    limit: float = LIMIT,
) -> Outcome:
    """Load a stream into a QEMU that is started for it and ended afterwards; what became of it.

    The arguments are those of `QemuDestination`.
    """
    with QemuDestination(path, argv, origin=origin, qemu=qemu, limit=limit) as destination:
        return destination.feed()
