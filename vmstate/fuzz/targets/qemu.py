"""A real QEMU as a target: a fresh destination for each stream, under TCG, with its memory as it was when saved.

A seed for it is a stream with its provenance beside it (`vmstate.qemu.provenance`), as `record` and `vmstate capture`
write it: the command line, the capabilities of the migration, and guest memory as it was when the stream was saved. A
copy of that goes into the folder of each run, DIR/ in the command line.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vmstate.errors import MachineError, NoAnswerError, VMStateError
from vmstate.files import write_atomic
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets import Left
from vmstate.fuzz.targets.learn import decoded, learn
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, HUNG, MEMORY, MISPREDICTED, REFUSED, Verdict
from vmstate.qemu.capture import capture_machine
from vmstate.qemu.machine import Machine
from vmstate.qemu.memory import copy_memory
from vmstate.qemu.process import Keeper
from vmstate.qemu.provenance import (
    FORM,
    KIND,
    RUN_FOLDER,
    carry_provenance,
    provenance_path,
    read_provenance,
)
from vmstate.qemu.trust import program_of
from vmstate.rules.command_line import facts_of_command
from vmstate.rules.known import KnownDestination
from vmstate.rules.memory import memory_facts
from vmstate.saved.loading import load
from vmstate.saved.opening import open_input
from vmstate.vmsd.release import Release

LIMIT = 15.0
"""Seconds that a destination may take before it counts as hung."""

LIMITS = {"AS": 8 << 30, "CORE": 0}
"""What a destination gets: bytes of address space, and of a core file."""

RESIDENT = 1 << 30
"""Bytes that it may hold in memory, beside the guest's."""

ADDED = ("-display", "none", "-serial", "null", "-monitor", "none")
"""What is added to each command line."""


class Seed:
    """A saved machine: the command line to load it with, and what of its provenance that takes.

    `files` are the copies of guest memory for the folder of a run: {name there: file beside the stream}.
    """

    def __init__(self, path: Path, argv: Sequence[str], provenance: Mapping[str, Any]) -> None:
        self.path = path
        self.provenance = dict(provenance)
        self.command = list(argv)
        self.argv, self.files = in_run_folder(argv, path.parent, provenance.get("memory") or ())
        self.capabilities = list(provenance.get("capabilities") or ())
        self.learnt: dict[str, dict[str, Any]] = {}
        self._release: Release | None = None
        with suppress(OSError, ValueError):
            self.learnt = json.loads(self._beside.read_text())

    @property
    def _beside(self) -> Path:
        return self.path.with_name(self.path.name + ".learnt.json")

    def keep(self) -> None:
        """Keep what was learnt beside the seed, where that can be written."""
        with suppress(VMStateError, OSError):
            write_atomic(self._beside, [json.dumps(self.learnt).encode()])

    def keep_in(self, folder: Path, name: str) -> None:
        """Put the stream, its provenance and its memory into a folder, under another name, that it can go along.

        Raises `VMStateError`.
        """
        memory = []
        try:
            for entry in self.provenance.get("memory") or ():
                kept = folder / f"{name}.{entry['id']}.ram"
                if not kept.exists():
                    copy_memory(self.path.parent / entry["file"], kept)
                memory.append({**entry, "file": kept.name})
        except OSError as error:
            raise VMStateError(f"cannot be written: {error.strerror}", file=str(folder)) from None
        with open_input(self.path) as opened:
            write_atomic(folder / name, [opened.data])
        known = {"kind": KIND, "vmstate": FORM, **self.provenance, "argv": self.command}
        carry_provenance(known, self.path, folder / name, memory=memory)

    @property
    def release(self) -> Release:
        """The release of the QEMU that loads it."""
        if self._release is None:
            with started(self.argv, "-S", files=self.files) as machine:
                major, minor, _ = machine.monitor.version
            self._release = Release(major, minor)
        return self._release


def read_seed(path: Path, argv: Sequence[str] | None = None) -> Seed:
    """A seed from a stream and the provenance beside it. Raises `VMStateError`.

    `argv` stands in for the command line of the provenance, which then need not be there.
    """
    provenance = read_provenance(path) or {}
    command = argv or _recorded(provenance)
    if not command:
        raise VMStateError(
            "nothing says how to load it",
            file=str(path),
            expected=f"{Path(provenance_path(path)).name} beside it, or a command line behind --",
        )
    seed = Seed(path, command, provenance)
    missing = [str(file) for file in seed.files.values() if not file.exists()]
    if missing:
        raise VMStateError("the guest's memory is not beside the stream", file=str(path), expected=missing[0])
    return seed


def _recorded(provenance: Mapping[str, Any]) -> list[str]:
    """The command line of a provenance: of the program that came with a file the name counts, not the place."""
    words = list(provenance.get("argv") or ())
    return [program_of(words), *words[1:]] if words else words


def in_run_folder(
    argv: Sequence[str], folder: Path, memory: Iterable[Mapping[str, Any]]
) -> tuple[list[str], dict[str, Path]]:
    """A command line whose guest memory is in the folder of the run, DIR/ID, and which files are copied to there.

    `memory` is that of a provenance in `folder`.
    """
    words = list(argv)
    files = {}
    for entry in memory:
        name = entry["id"]
        files[name] = folder / entry["file"]
        backend = re.compile(rf"memory-backend-file,(?:.*,)?id={re.escape(name)}(?:,.*)?")
        place = next((place for place, word in enumerate(words) if backend.fullmatch(word)), None)
        if place is not None:
            words[place] = re.sub(r",mem-path=[^,]*", "", words[place]) + f",mem-path={RUN_FOLDER}{name}"
        elif entry.get("added"):
            kind = f"memory-backend-file,id={name},size={entry['size']},share=on,mem-path={RUN_FOLDER}{name}"
            words += ["-object", kind, "-machine", f"memory-backend={name}"]
    return words, files


@contextmanager
def run_folder(files: Mapping[str, Path] | None = None) -> Iterator[str]:
    """A folder for a run, with copies of `files` in it, which is removed when the body ends.

    Where this process is killed it stays, unless a machine has it among its scratch. Raises `OSError`.
    """
    folder = tempfile.mkdtemp(prefix="vmstate-", dir=_fast_folder())
    try:
        for name, file in (files or {}).items():
            copy_memory(file, Path(folder, name))
        yield folder
    finally:
        # Where QEMU ran, it is gone already.
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(
    argv: Sequence[str],
    *more: str,
    files: Mapping[str, Path] | None = None,
    keeper: Keeper | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[Machine]:
    """A QEMU in a folder of its own, which has copies of `files` and goes when it goes.

    `DIR/` in the command line stands for the folder. Raises `MachineError`.
    """
    with (
        run_folder(files) as folder,
        machine_in(folder, argv, *more, keeper=keeper, descriptors=descriptors) as machine,
    ):
        yield machine


def machine_in(
    folder: str,
    argv: Sequence[str],
    *more: str,
    keeper: Keeper | None = None,
    descriptors: Sequence[int] = (),
) -> Machine:
    """A QEMU whose command line means `folder` by `DIR/`, and which takes that along when it ends.

    Raises `MachineError`.
    """
    words = [word.replace(RUN_FOLDER, f"{folder}/") for word in argv]
    return Machine([*words, *ADDED, *more], keeper=keeper, descriptors=descriptors, scratch=[folder], limits=LIMITS)


def _fast_folder() -> str | None:
    """Memory rather than disk, where there is such a folder."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """The end of a pipe that another process reads `data` from, while the body runs."""
    reading, writing = os.pipe()

    def write() -> None:
        # Whoever reads no further says himself why.
        with suppress(OSError), open(writing, "wb", buffering=0) as pipe:
            view = memoryview(data)
            while view:
                view = view[pipe.write(view) or 0 :]

    thread = threading.Thread(target=write, daemon=True)
    try:
        thread.start()
        yield reading
    finally:
        os.close(reading)
        thread.join()


def record(argv: Sequence[str], path: Path, *, seconds: float = 0.0) -> Seed:
    """Start a machine, let its guest run so long, and save it as a seed. Raises `VMStateError`."""
    is_shared = any("share=on" in word for word in argv)
    with started(argv, "-S") as machine:
        if seconds:
            machine.ask("cont")
            time.sleep(seconds)
            machine.ask("stop")
        path.parent.mkdir(parents=True, exist_ok=True)
        # ADDED gives each machine a serial port.
        capture_machine(path, machine, argv=argv, ram=not is_shared, console=True)
    # The command line is the caller's, not one that came with a file.
    return read_seed(path, argv)


def default_command() -> list[str]:
    """A small machine with a virtio-net device, of the QEMU that is installed. Raises `VMStateError`."""
    binary = shutil.which("qemu-system-x86_64")
    if binary is None:
        raise VMStateError("no QEMU is installed: install qemu-system-x86 (or the like), or name one behind --")
    memory = "memory-backend-file,id=m0,size=16M,share=on,mem-path=DIR/m0"
    network = ["-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,id=nic0,mac=52:54:00:12:34:56"]
    machine = ["-M", "q35,memory-backend=m0", "-m", "16", "-object", memory]
    return [binary, "-accel", "tcg", "-nodefaults", "-vga", "none", *machine, *network]


_LAST_WORDS = ("Assertion", "assert", "hardware error", "ERROR:", "Bail out", "runtime error", "AddressSanitizer")
_ASSERTION = re.compile(rf"[^\n]*(?:{'|'.join(_LAST_WORDS)})[^\n]*")
_PROGRAM = re.compile(r"(?:\S*/)?qemu-system-[a-z0-9_]+: ")


class QemuTarget:
    """Loads streams in QEMU, and holds its answers against those of `vmstate.rules.KnownDestination`.

    `run_guest` is how many seconds the guest runs after a load that was accepted; a crash then is a finding, but no
    misprediction. `limit` is how many seconds a load may take.
    """

    name = "qemu"

    def __init__(self, seeds: Mapping[str, Seed], *, run_guest: float = 0.0, limit: float = LIMIT) -> None:
        self.seeds = dict(seeds)
        self.run_guest = run_guest
        self.limit = limit
        self._keeper: Keeper | None = None
        self._destinations: dict[str, KnownDestination] = {}

    @property
    def keeper(self) -> Keeper:
        """The process that starts QEMUs."""
        if self._keeper is None:
            self._keeper = Keeper()
        return self._keeper

    def close(self) -> None:
        """End the process that starts QEMUs."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """Load the stream in a fresh QEMU, having said beforehand what it will say."""
        why = self.predicted(subject, data)
        return foreseen(self.load(self.seeds[subject.name], data), subject, mutations, why)

    def settle(self) -> list[Left]:
        """Each QEMU was a fresh one: nothing is left in it."""
        return []

    def predicted(self, subject: Subject, data: bytes) -> str | None:
        """Why the stream will be refused; None where it will be accepted."""
        findings = self.destination(subject).check(data)
        first = next((finding for finding in findings if finding.severity == "error"), None)
        if first is None:
            return None
        return ": ".join(part for part in (first.section, first.path, first.message) if part)

    def destination(self, subject: Subject) -> KnownDestination:
        """What is known of the destination of a seed; what cannot be read off a stream is found out by asking it."""
        if subject.name not in self._destinations:
            seed = self.seeds[subject.name]
            reference = load(subject.data)
            facts: dict[str, Any] = {"qemu_release": seed.release, **facts_of_command(seed.argv)}
            if seed.files:
                blocks = {f"/objects/{name}": file for name, file in seed.files.items()}
                files = {name: file for block, file in blocks.items() for name in (block, block.rpartition("/")[2])}
                facts["guest_memory"] = reference.memory(files=files)
            else:
                facts |= memory_facts(reference)
            self._destinations[subject.name] = KnownDestination(reference, facts, self.learnt(seed, subject))
        return self._destinations[subject.name]

    def learnt(self, seed: Seed, subject: Subject) -> dict[str, dict[str, Any]]:
        """What only the destination knows of its devices, found out by loads that it refuses; kept beside the seed."""
        wanted = {place.section for place in subject.places if place.section is not None}
        for part in subject.parts:
            if part.name in wanted and part.name not in seed.learnt:
                seed.learnt[part.name] = learn(lambda data: self.load(seed, data), subject, part)
                seed.keep()
        return {name: decoded(facts) for name, facts in seed.learnt.items()}

    def load(self, seed: Seed, data: bytes) -> Verdict:
        """What a fresh QEMU does with a stream."""
        with (
            piped(data) as stream,
            started(
                seed.argv,
                *("-S", "-incoming", "defer"),
                files=seed.files,
                keeper=self.keeper,
                descriptors=[stream],
            ) as machine,
        ):
            return self._outcome(machine, seed.capabilities, f"fd:{stream}")

    def _outcome(self, machine: Machine, capabilities: Iterable[str], uri: str) -> Verdict:
        """What becomes of an incoming migration from `uri`."""
        end = time.monotonic() + self.limit
        states = [{"capability": name, "state": True} for name in (*capabilities, "events")]
        try:
            machine.monitor.ask("migrate-set-capabilities", {"capabilities": states}, limit=self.limit)
            machine.monitor.ask("migrate-incoming", {"uri": uri}, limit=self.limit)
            while True:
                event = machine.monitor.next_event(end - time.monotonic())
                status = event["data"].get("status") if event["event"] == "MIGRATION" else None
                if status == "completed":
                    return self._after(machine)
                if status == "failed":
                    return ended(machine, "load", self.limit)
        except NoAnswerError:
            return Verdict(HUNG, f"no answer in {self.limit:g} s: {last_line(machine.output)}", "load")
        except MachineError as error:
            if machine.monitor.is_open:
                raise MachineError("QEMU does not take the load", found=str(error)) from None
            return ended(machine, "load", self.limit)

    def _after(self, machine: Machine) -> Verdict:
        """The load was accepted: what the guest does."""
        if self.run_guest:
            try:
                # A run state from the stream can forbid it.
                machine.monitor.ask_or_none("cont", limit=self.limit)
                machine.monitor.wait(self.run_guest)
                machine.monitor.ask("query-status", limit=self.limit)
            except NoAnswerError:
                return Verdict(HUNG, f"the guest runs and QEMU does not answer: {last_line(machine.output)}", "guest")
            except MachineError:
                return ended(machine, "guest", self.limit)
        resident = resident_memory(machine.pid)
        if resident > RESIDENT:
            return Verdict(MEMORY, f"{resident >> 20} MiB", "load")
        return Verdict(ACCEPTED, last_line(machine.output))


def ended(machine: Machine, when: str, limit: float) -> Verdict:
    """What to say of a QEMU that has ended, or closed its monitor and has so many seconds to end."""
    status = machine.wait_for_end(limit)
    printed = machine.output
    if status is None:
        return Verdict(HUNG, f"it closes its monitor and does not end: {last_line(printed)}", when)
    # GLib ends a program so that gets no memory; where a monitor's command asked for it the words are lost.
    if status == -signal.SIGTRAP or "failed to allocate" in printed or "Cannot allocate memory" in printed:
        return Verdict(MEMORY, error_lines(printed), when)
    assertion = _ASSERTION.search(printed)
    if status < 0 or (assertion is not None and status not in (0, 1)):
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        place = _from_program(assertion.group().strip()) if assertion else name
        return Verdict(CRASHED, f"{name}: {last_line(printed)}", f"{when}: {place[:160]}")
    return Verdict(REFUSED, error_lines(printed), when)


def foreseen(verdict: Verdict, subject: Subject, mutations: list[Mutation], why: str | None) -> Verdict:
    """A verdict held against the prediction, which is a refusal for the reason `why`, or without one a load."""
    expected = ACCEPTED if why is None else REFUSED
    if verdict.kind in (ACCEPTED, REFUSED) and verdict.kind != expected:
        where = mutations[0].label if mutations else subject.name
        message = f"{verdict.kind}: {verdict.message}"
        place = f"{verdict.kind}, not {expected}: {where}: {mutations[0].mutator if mutations else 'the seed'}"
        return verdict.replace(kind=MISPREDICTED, message=message, place=place, expected=expected, reason=why)
    return verdict.replace(expected=expected, reason=why)


def resident_memory(pid: int) -> int:
    """The bytes of memory that a process holds and no file does, as far as the system says."""
    with suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) << 10
    return 0


def processor_seconds(pid: int) -> float:
    """The processor's time that a process has had, as far as the system says; else no end of it."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return math.inf


def last_line(text: str) -> str:
    """The last line that QEMU printed, without the name of the program."""
    lines = [line for line in text.strip().splitlines() if line]
    return _without_program(lines[-1])[:300] if lines else ""


def _without_program(line: str) -> str:
    """A line without the name of the program; what was printed before it, without an end of its own, is one apart."""
    name = _PROGRAM.search(line)
    if name is None:
        return line
    return " | ".join(part for part in (line[: name.start()], line[name.end() :]) if part)


def _from_program(line: str) -> str:
    """A line from the name of the program on: what was printed before it without an end is another matter."""
    name = _PROGRAM.search(line)
    return line if name is None else line[name.start() :]


def error_lines(text: str) -> str:
    """The lines that say why, without the name of the program in front of each."""
    lines = [_without_program(line) for line in text.strip().splitlines() if "warning:" not in line]
    return " | ".join(lines)[:500]
