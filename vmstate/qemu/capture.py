"""A running machine into a stream, and what is known of the machine beside it: the provenance.

See `vmstate.qemu.provenance` for what it holds and where it stands.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from vmstate.errors import MachineError, StreamError
from vmstate.files import replacing
from vmstate.qemu.machine import Machine, Qemu
from vmstate.qemu.memory import BACKEND, backend_words, copy_sparse, has_backend, memory_size, shared_memory
from vmstate.qemu.migration import Attached, HasMonitor, Progress, capabilities_of, configured, save
from vmstate.qemu.monitor import LIMIT, Monitor, answers_understood, command_line_of
from vmstate.qemu.provenance import LARGEST, recorded_now, refuse_place, write_provenance
from vmstate.vmsd.release import Release

IGNORE_SHARED = "x-ignore-shared"

QUESTIONS = (
    "query-status",
    "query-current-machine",
    "query-cpus-fast",
    "query-memdev",
    "query-memory-devices",
    "query-pci",
    "query-block",
    "query-chardev",
    "query-rx-filter",
    "x-query-virtio",
)
"""What is asked about a machine; a QEMU that does not know one of them is not asked further."""

STATUS_UNTIL = Release(10, 0)
"""The last release that is asked x-query-virtio-status: 11.1 ends by an assertion where a device has no vhost."""

QUEUES = 1024

MOST_ANSWERS = LARGEST // 2
"""Bytes of all answers together: more than any machine gives, and with indentation less than a provenance may have."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]{1,255}")
"""An id, as QEMU takes them: nothing in it leads to another folder."""


def answers_of(machine: HasMonitor) -> dict[str, Any]:
    """What QEMU says of a machine: {command: answer}; for commands about one device {command: {path: answer}}.

    They are a second opinion on a stream that is there: where they are odd or have no end, those before are all.
    """
    monitor = machine.monitor
    asked = _Questions(monitor)
    answers: dict[str, Any] = {}
    with suppress(MachineError), answers_understood():
        for command in QUESTIONS:
            answer = asked.answer(command)
            if answer is not None:
                answers[command] = answer
        devices = [device["path"] for device in answers.get("x-query-virtio", [])]
        if devices and monitor.version[:2] <= STATUS_UNTIL:
            command = "x-query-virtio-status"
            answers[command] = {path: asked.answer(command, {"path": path}) for path in devices}
        if devices:
            answers["x-query-virtio-queue-status"] = {path: asked.queues(path) for path in devices}
    return answers


class _Questions:
    """Questions to a monitor that together have the time of one, and so many bytes of answers."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.end = time.monotonic() + monitor.limit
        self.most = monitor.received + MOST_ANSWERS

    def answer(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """The answer, or None. Raises `MachineError`."""
        if self.monitor.received > self.most:
            raise MachineError(f"{command}: more than {MOST_ANSWERS} bytes of answers about the machine")
        left = self.end - time.monotonic()
        if left <= 0:
            raise MachineError(f"{command}: no answers about the machine in {self.monitor.limit:g} s")
        return self.monitor.ask_or_none(command, arguments, limit=left)

    def queues(self, path: str) -> list[Any]:
        """The state of each virtqueue of a device, up to the first that it has not got."""
        queues: list[Any] = []
        while len(queues) < QUEUES:
            answer = self.answer("x-query-virtio-queue-status", {"path": path, "queue": len(queues)})
            if answer is None:
                break
            queues.append(answer)
        return queues


def capture_machine(
    path: str | os.PathLike[str],
    machine: HasMonitor,
    *,
    argv: Sequence[str] | None = None,
    folder: str | None = None,
    transport: str | None = None,
    capabilities: Iterable[str] = (),
    ram: bool = True,
    guest: Sequence[str] = (),
    console: bool = False,
    own_memory: dict[str, Any] | None = None,
    progress: Progress | None = None,
    limit: float = 600,
) -> dict[str, Any]:
    """Save a machine to a stream with its provenance beside it; the provenance. Afterwards the guest stands still.

    Without `ram` shared guest memory is left out (x-ignore-shared), and the files that hold it are copied beside the
    stream; `own_memory` is an entry of `memory` whose file is there already. `argv` is the command line as somebody
    would repeat it, run in `folder`. Each file is whole or not there. Raises `VMStateError`.
    """
    refuse_place(path)
    wanted = [*capabilities, *([] if ram else [IGNORE_SHARED])]
    memory = [] if own_memory is None else [own_memory]
    with configured(machine, wanted):
        if not ram and own_memory is None:
            memory = shared_memory(machine.monitor)
            if not memory:
                raise MachineError(
                    "the guest's memory is not shared, so no stream is without it",
                    expected="-object memory-backend-file,share=on,... as the machine's memory-backend",
                )
        on = capabilities_of(machine)
        done = save(machine, path, transport=transport, progress=progress, limit=limit)
        known = {
            **recorded_now(path, size=done.pop("size"), sha256=done.pop("sha256")),
            "qemu_version": ".".join(map(str, machine.monitor.version)),
            "qemu_build": machine.monitor.build,
            "argv": None if argv is None else list(argv),
            "folder": folder,
            "capabilities": on,
            "transport": transport or ("fd" if machine.monitor.is_local else "exec"),
            "memory": [_memory_beside(path, entry) for entry in memory],
            "console": console,
            "guest": list(guest),
            "migration": done,
            "answers": answers_of(machine),
        }
    write_provenance(path, known)
    return known


def _memory_beside(path: str | os.PathLike[str], entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of `memory`; its file is copied where it is not there yet."""
    if "file" in entry:
        return entry
    if _IDENTIFIER.fullmatch(entry["id"]) is None:
        raise MachineError("this is no id of a memory backend", found=repr(entry["id"])[:80])
    target = memory_path(path, entry["id"])
    if not entry.get("path"):
        raise MachineError("shared memory that has no file cannot be kept beside the stream", found=entry["id"])
    try:
        # A FIFO must not be waited for, and a device may have no end.
        descriptor = os.open(entry["path"], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb"):
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not 0 <= entry["size"] <= status.st_size:
                raise StreamError(
                    "this is no file of the guest's memory",
                    file=entry["path"],
                    expected=f"a file of {entry['size']} bytes",
                    found=f"{status.st_size} bytes",
                )
            with replacing(target) as file:
                copy_sparse(descriptor, file.fileno(), entry["size"])
    except OSError as error:
        raise StreamError(f"the guest's memory cannot be copied: {error.strerror}", file=entry["path"]) from None
    return {"id": entry["id"], "size": entry["size"], "file": os.path.basename(target), "added": False}


def memory_path(path: str | os.PathLike[str], identifier: str) -> str:
    """Where guest memory of a backend stands beside a stream."""
    return f"{os.fspath(path)}.{identifier}.ram"


@contextmanager
def memory_file(path: str | os.PathLike[str], argv: Sequence[str], *, ram: bool) -> Iterator[dict[str, Any] | None]:
    """Guest memory for a machine that is started to be captured without it: an entry of `memory` with "descriptor".

    The file that is the guest's memory while it runs stands beside the stream afterwards. None where the command line
    says itself what the memory is, or the stream is to hold it.
    """
    if ram or has_backend(argv):
        yield None
        return
    size = memory_size(argv)
    target = memory_path(path, BACKEND)
    with replacing(target) as file:
        try:
            os.ftruncate(file.fileno(), size)
        except OSError as error:
            raise StreamError(f"no room for the guest's memory: {error.strerror}", file=target) from None
        name = os.path.basename(target)
        yield {"id": BACKEND, "size": size, "file": name, "added": True, "descriptor": file.fileno()}


def capture_started(
    path: str | os.PathLike[str],
    argv: Sequence[str],
    *,
    qemu: Qemu | None = None,
    until: str | None = None,
    lines: Sequence[str] = (),
    transport: str | None = None,
    capabilities: Iterable[str] = (),
    ram: bool = True,
    progress: Progress | None = None,
    started: Progress | None = None,
    limit: float = LIMIT,
) -> dict[str, Any]:
    """Start a QEMU, capture it, and end it; the provenance.

    Before the capture the guest's console is read up to the text `until`, and each of the `lines` typed into its shell.
    `started` is called with {"pid": ...} once QEMU runs. See `capture`. Raises `VMStateError`.
    """
    with ExitStack() as stack:
        memory = stack.enter_context(memory_file(path, argv, ram=ram))
        words, descriptors = list(argv), []
        if memory is not None:
            descriptors = [memory.pop("descriptor")]
            words += backend_words(memory["size"], f"/proc/self/fd/{descriptors[0]}", share=True)
        machine = stack.enter_context(
            Machine(words, qemu=qemu, console=bool(until or lines), descriptors=descriptors, limit=limit)
        )
        if started is not None:
            started({"pid": machine.pid})
        if until:
            machine.wait_for(until)
        for line in lines:
            machine.type(line)
        return capture_machine(
            path,
            machine,
            argv=argv,
            folder=os.getcwd(),
            transport=transport,
            capabilities=capabilities,
            ram=ram,
            guest=lines,
            console=bool(until or lines),
            own_memory=memory,
            progress=progress,
            limit=limit,
        )


def capture_running(
    path: str | os.PathLike[str],
    monitor: Monitor,
    *,
    transport: str | None = None,
    capabilities: Iterable[str] = (),
    ram: bool = True,
    resume: bool = True,
    progress: Progress | None = None,
    limit: float = 600,
) -> dict[str, Any]:
    """Capture a QEMU that somebody else runs; the provenance. With `resume` a guest that ran goes on afterwards.

    Its command line is asked of the system, which tells where the monitor's socket is local. Raises `VMStateError`.
    """
    machine = Attached(monitor)
    pid = monitor.peer
    argv = None if pid is None else command_line_of(pid)
    folder = None
    if pid is not None:
        try:
            folder = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            folder = None
    was_running = machine.ask("query-status")["running"]
    try:
        return capture_machine(
            path,
            machine,
            argv=argv,
            folder=folder,
            transport=transport,
            capabilities=capabilities,
            ram=ram,
            progress=progress,
            limit=limit,
        )
    finally:
        if was_running and resume and monitor.is_open:
            monitor.ask_or_none("cont")
