"""A real QEMU as a target: a fresh destination for each stream, under TCG, with its memory as it was when saved.

A seed for it is a stream with its provenance beside it (`vmstate.qemu.provenance`), as `record` and `vmstate capture`
write it: the command line, the capabilities of the migration, and guest memory as it was when the stream was saved. A
copy of that goes into the folder of each run, DIR/ in the command line.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmstate.errors import VMStateError
from vmstate.files import write_atomic
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets.learn import decoded, learn
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, HUNG, MEMORY, MISPREDICTED, REFUSED, Verdict
from vmstate.qemu.provenance import (
    FORM,
    KIND,
    RUN_FOLDER,
    carry_provenance,
    identity,
    provenance_path,
    read_provenance,
    recorded_now,
    write_provenance,
)
from vmstate.saved.loading import load
from vmstate.saved.opening import open_input
from vmstate.stream.destination import KnownDestination
from vmstate.vmsd.release import Release

LIMIT = 15.0
"""Seconds that a destination may take before it counts as hung."""

ADDRESS_SPACE = 8 << 30
"""Bytes of address space that a destination gets."""

RESIDENT = 1 << 30
"""Bytes that it may hold in memory, beside the guest's."""

IGNORE_SHARED = "x-ignore-shared"

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
                    copy_sparse(self.path.parent / entry["file"], kept)
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
            with Process(self.argv, more=["-S"], files=self.files) as machine:
                machine.ask("qmp_capabilities")
                version = machine.ask("query-version")["qemu"]
            self._release = Release(version["major"], version["minor"])
        return self._release


def read_seed(path: Path, argv: Sequence[str] | None = None) -> Seed:
    """A seed from a stream and the provenance beside it. Raises `VMStateError`.

    `argv` stands in for the command line of the provenance, which then need not be there.
    """
    provenance = read_provenance(path) or {}
    command = argv or provenance.get("argv")
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


class Process:
    """A QEMU with a monitor, in a folder of its own that goes when it goes."""

    def __init__(
        self, argv: Sequence[str], *, more: Sequence[str] = (), files: Mapping[str, Path] | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vmstate-", dir=_fast_folder()))
        self.process: subprocess.Popen[bytes] | None = None
        self._lines: Any = None
        self._socket: socket.socket | None = None
        try:
            for name, file in (files or {}).items():
                copy_sparse(file, self.folder / name)
            self._start([word.replace(RUN_FOLDER, f"{self.folder}/") for word in argv], more)
        except BaseException:
            self.close()
            raise

    def _start(self, argv: list[str], more: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        monitor = [
            "-chardev",
            f"socket,id=vmstate-qmp,fd={theirs.fileno()}",
            "-mon",
            "chardev=vmstate-qmp,mode=control",
        ]
        with open(self.folder / "stderr", "wb") as log, theirs:
            try:
                self.process = subprocess.Popen(
                    [*argv, *ADDED, *more, *monitor],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    preexec_fn=_limits,  # noqa: PLW1509 (a campaign has processes, no threads)
                )
            except OSError as error:
                raise VMStateError(f"cannot be started: {error.strerror}", file=argv[0]) from None
        self._lines = b""

    def send(self, *commands: tuple[str, dict[str, Any]]) -> None:
        """Send commands; an answer comes as a message."""
        assert self._socket is not None
        text = "".join(json.dumps({"execute": name, "arguments": given}) + "\n" for name, given in commands)
        with suppress(OSError):
            self._socket.sendall(text.encode())

    def message(self, end: float) -> dict[str, Any] | None:
        """The next answer or event; None where the process is gone. Raises TimeoutError at the time `end`."""
        assert self._socket is not None
        while b"\n" not in self._lines:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError
            try:
                more = self._socket.recv(65536)
            except OSError:
                return None
            if not more:
                return None
            self._lines += more
        line, _, self._lines = self._lines.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def until(self, end: float, wanted: str) -> dict[str, Any] | None:
        """The next message with a key ("return", "event", ...); an error ends it, too."""
        while (said := self.message(end)) is not None:
            if wanted in said or "error" in said:
                return said
        return None

    def ask(self, command: str, **given: Any) -> Any:
        """The answer to a command. Raises `VMStateError`."""
        self.send((command, given))
        try:
            said = self.until(time.monotonic() + LIMIT, "return")
        except TimeoutError:
            raise VMStateError(f"QEMU does not answer {command}", found=self.stderr()[-200:]) from None
        if said is None:
            raise VMStateError(f"QEMU is gone before it answered {command}", found=self.stderr()[-200:])
        if "error" in said:
            raise VMStateError(f"{command}: {said['error'].get('desc')}")
        return said["return"]

    def stderr(self) -> str:
        """What it has said on its standard error and output."""
        with suppress(OSError):
            return (self.folder / "stderr").read_text(errors="replace")
        return ""

    def wait(self, seconds: float) -> int | None:
        """The exit status, if it comes within so many seconds."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def resident(self) -> int:
        """The most bytes of memory that it has held, as far as the system says."""
        assert self.process is not None
        with suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(status.split("RssAnon:")[1].split()[0]) << 10
        return 0

    def close(self) -> None:
        """End it, and remove its folder."""
        if self.process is not None and self.process.poll() is None:
            # Its helpers (a shell that reads a file) are of its session.
            with suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        if self._socket is not None:
            self._socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _limits() -> None:
    # It must not outlive whoever started it, however that ends.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _fast_folder() -> str | None:
    """Memory rather than disk, where there is such a folder."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file without its holes: guest memory is mostly holes."""
    with open(source, "rb") as one, open(target, "wb") as other:
        size = os.fstat(one.fileno()).st_size
        os.truncate(other.fileno(), size)
        pos = 0
        while pos < size:
            try:
                start = os.lseek(one.fileno(), pos, os.SEEK_DATA)
            except OSError:
                break
            pos = os.lseek(one.fileno(), start, os.SEEK_HOLE)
            os.lseek(other.fileno(), start, os.SEEK_SET)
            at = start
            while at < pos and (sent := os.sendfile(other.fileno(), one.fileno(), at, pos - at)):
                at += sent


def punch(source: Path, target: Path, block: int = 4096) -> None:
    """Copy a file, and make holes of its blocks of zeros."""
    zeros = bytes(block)
    with open(source, "rb") as one, open(target, "wb") as other:
        size = os.fstat(one.fileno()).st_size
        os.truncate(other.fileno(), size)
        while data := one.read(block):
            if data == zeros[: len(data)]:
                other.seek(len(data), os.SEEK_CUR)
            else:
                other.write(data)


def record(argv: Sequence[str], path: Path, *, seconds: float = 0.0) -> Seed:
    """Start a machine, let its guest run so long, and save it as a seed. Raises `VMStateError`."""
    shared = any("share=on" in word for word in argv)
    capabilities = [IGNORE_SHARED] if shared else []
    with Process(argv, more=["-S"]) as machine:
        machine.ask("qmp_capabilities")
        if seconds:
            machine.ask("cont")
            time.sleep(seconds)
            machine.ask("stop")
        states = [{"capability": one, "state": True} for one in capabilities]
        machine.ask("migrate-set-capabilities", capabilities=states)
        machine.ask("migrate", uri=f"exec:cat > {machine.folder}/stream")
        end = time.monotonic() + 60
        while (status := machine.ask("query-migrate").get("status")) not in ("completed", "failed"):
            if time.monotonic() > end:
                raise VMStateError("the machine is never saved", found=str(status))
            time.sleep(0.02)
        if status == "failed":
            raise VMStateError("the machine cannot be saved", found=machine.stderr()[-300:])
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(machine.folder / "stream", path)
        memory = list(_kept_memory(machine, path))
        version = machine.ask("query-version")
    stream, release = identity(path), version["qemu"]
    known = {
        **recorded_now(path, size=stream["size"], sha256=stream["sha256"]),
        "qemu_version": f"{release['major']}.{release['minor']}.{release['micro']}",
        "qemu_build": version["package"],
        "argv": list(argv),
        "capabilities": capabilities,
        "memory": memory,
        # ADDED gives each machine a serial port.
        "console": True,
    }
    write_provenance(path, known)
    return read_seed(path)


def _kept_memory(machine: Process, path: Path) -> Iterator[dict[str, Any]]:
    """Copy shared guest memory beside a stream; the entries of its provenance."""
    for backend in machine.ask("query-memdev"):
        place = f"/objects/{backend.get('id')}"
        try:
            is_shared = machine.ask("qom-get", path=place, property="share")
            memory = Path(machine.ask("qom-get", path=place, property="mem-path"))
        except VMStateError:
            # Memory that is not in a file.
            continue
        if is_shared:
            kept = path.with_name(f"{path.name}.{backend['id']}.ram")
            try:
                punch(memory, kept)
            except OSError as error:
                reason = f"the guest's memory cannot be copied: {error.strerror}"
                raise VMStateError(reason, file=str(memory)) from None
            yield {"id": backend["id"], "size": backend["size"], "file": kept.name, "added": False}


def default_command() -> list[str]:
    """A small machine with a virtio-net device, of the QEMU that is installed. Raises `VMStateError`."""
    binary = shutil.which("qemu-system-x86_64")
    if binary is None:
        raise VMStateError("no QEMU is installed: install qemu-system-x86 (or the like), or name one behind --")
    memory = "memory-backend-file,id=m0,size=16M,share=on,mem-path=DIR/m0"
    network = ["-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,id=nic0,mac=52:54:00:12:34:56"]
    machine = ["-M", "q35,memory-backend=m0", "-m", "16", "-object", memory]
    return [binary, "-accel", "tcg", "-nodefaults", "-vga", "none", *machine, *network]


_ASSERTION = re.compile(r"[^\n]*(?:Assertion|assert|ERROR:|Bail out|runtime error|AddressSanitizer)[^\n]*")
_NOISE = re.compile(r"^.*?(?:qemu-system-[a-z0-9_]+): ", re.M)


class QemuTarget:
    """Loads streams in QEMU, and holds its answers against those of `vmstate.KnownDestination`.

    `run_guest` is how many seconds the guest runs after a load that was accepted; a crash then is a finding, but no
    misprediction. `limit` is how many seconds a load may take.
    """

    name = "qemu"

    def __init__(self, seeds: Mapping[str, Seed], *, run_guest: float = 0.0, limit: float = LIMIT) -> None:
        self.seeds = dict(seeds)
        self.run_guest = run_guest
        self.limit = limit
        self._folder = Path(tempfile.mkdtemp(prefix="vmstate-streams-", dir=_fast_folder()))
        self._destinations: dict[str, KnownDestination] = {}

    def close(self) -> None:
        """Remove the streams."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """Load the stream in a fresh QEMU, having said beforehand what it will say."""
        why = self.predicted(subject, data)
        verdict = self.load(self.seeds[subject.name], data)
        expected = ACCEPTED if why is None else REFUSED
        if verdict.kind in (ACCEPTED, REFUSED) and verdict.kind != expected:
            where = mutations[0].label if mutations else subject.name
            said = f"{verdict.kind}: {verdict.message}"
            place = f"{verdict.kind}, not {expected}: {where}: {mutations[0].mutator if mutations else 'the seed'}"
            return Verdict(MISPREDICTED, said, place, expected, why)
        return verdict.replace(expected=expected, reason=why)

    def predicted(self, subject: Subject, data: bytes) -> str | None:
        """Why the stream will be refused; None where it will be accepted."""
        found = [one for one in self.destination(subject).check(data) if one.severity == "error"]
        if not found:
            return None
        first = found[0]
        return ": ".join(part for part in (first.section, first.path, first.message) if part)

    def destination(self, subject: Subject) -> KnownDestination:
        """What is known of the destination of a seed; what cannot be read off a stream is found out by asking it."""
        if subject.name not in self._destinations:
            seed = self.seeds[subject.name]
            reference = load(subject.data)
            facts: dict[str, Any] = {"qemu_release": seed.release}
            if seed.files:
                blocks = {f"/objects/{name}": file for name, file in seed.files.items()}
                files = {name: file for block, file in blocks.items() for name in (block, block.rpartition("/")[2])}
                facts["guest_memory"] = reference.memory(files=files)
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
        file = self._folder / "stream"
        file.write_bytes(data)
        with Process(seed.argv, more=["-S", "-incoming", "defer"], files=seed.files) as machine:
            states = [{"capability": one, "state": True} for one in (*seed.capabilities, "events")]
            machine.send(
                ("qmp_capabilities", {}),
                ("migrate-set-capabilities", {"capabilities": states}),
                ("migrate-incoming", {"uri": f"exec:cat {file}"}),
            )
            return self._outcome(machine)

    def _outcome(self, machine: Process) -> Verdict:
        end = time.monotonic() + self.limit
        started = 0
        try:
            while (said := machine.message(end)) is not None:
                if "error" in said:
                    raise VMStateError("QEMU does not take the load", found=str(said["error"].get("desc")))
                started += "return" in said
                event = said.get("event")
                status = said.get("data", {}).get("status")
                if event == "MIGRATION" and status == "completed":
                    return self._after(machine)
                if event == "MIGRATION" and status == "failed":
                    break
        except TimeoutError:
            return Verdict(HUNG, f"no answer in {self.limit:g} s: {_last(machine.stderr())}", "load")
        if started == 0:
            machine.wait(2)
            raise VMStateError("QEMU does not start", found=_last(machine.stderr()))
        return self._ended(machine, "load")

    def _after(self, machine: Process) -> Verdict:
        """The load was accepted: what the guest does."""
        if self.run_guest:
            machine.send(("cont", {}))
            end = time.monotonic() + self.run_guest
            try:
                while machine.message(end) is not None:
                    pass
                return self._ended(machine, "guest")
            except TimeoutError:
                pass
            machine.send(("query-status", {}))
            try:
                if machine.until(time.monotonic() + self.limit, "return") is None:
                    return self._ended(machine, "guest")
            except TimeoutError:
                return Verdict(HUNG, f"the guest runs and QEMU does not answer: {_last(machine.stderr())}", "guest")
        if machine.resident() > RESIDENT:
            return Verdict(MEMORY, f"{machine.resident() >> 20} MiB", "load")
        return Verdict(ACCEPTED, _last(machine.stderr()))

    def _ended(self, machine: Process, when: str) -> Verdict:
        status = machine.wait(self.limit)
        said = machine.stderr()
        if status is None:
            return Verdict(HUNG, f"it closes its monitor and does not end: {_last(said)}", when)
        if "failed to allocate" in said or "Cannot allocate memory" in said:
            return Verdict(MEMORY, _last(said), when)
        found = _ASSERTION.search(said)
        if status < 0 or (found is not None and status not in (0, 1)):
            name = signal.Signals(-status).name if status < 0 else f"status {status}"
            place = found.group().strip() if found else name
            return Verdict(CRASHED, f"{name}: {_last(said)}", f"{when}: {place[:160]}")
        return Verdict(REFUSED, _errors(said), when)


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line]
    return _NOISE.sub("", lines[-1])[:300] if lines else ""


def _errors(text: str) -> str:
    """The lines that say why, without the name of the program in front of each."""
    lines = [_NOISE.sub("", line) for line in text.strip().splitlines() if "warning:" not in line]
    return " | ".join(lines)[:500]
