"""Migration as QMP has it: capabilities, parameters, out of a QEMU and into one."""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

from vmstate.errors import MachineError, StreamError, VMStateError
from vmstate.files import replacing, reported, sync_folder, temporary_name
from vmstate.qemu.monitor import MOST_WORDS, Monitor, answers_understood
from vmstate.vmsd.release import Release

PIECE = 1 << 20
NO_LIMIT = {"max-bandwidth": 1 << 40, "downtime-limit": 2_000_000}
"""Parameters under which RAM is sent as fast as it is taken: bytes and milliseconds a second."""

FILE_SINCE = Release(8, 2)
"""The first release with `migrate file:`."""

TRANSPORTS = ("fd", "exec", "file")

Progress = Callable[[dict[str, Any]], None]
"""Called with each answer to query-migrate while a migration runs."""


class HasMonitor(Protocol):
    """A machine that was started here, or a QEMU that runs elsewhere."""

    @property
    def monitor(self) -> Monitor: ...

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> Any: ...


class Attached:
    """A QEMU that somebody else runs, by its monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """The answer of QEMU to a QMP command."""
        return self.monitor.ask(command, arguments)


def set_capabilities(machine: HasMonitor, names: Iterable[str], *, state: bool = True) -> None:
    """Switch migration capabilities. Raises `MachineError` where QEMU has not got one."""
    wanted = [{"capability": name, "state": state} for name in names]
    if wanted:
        machine.ask("migrate-set-capabilities", {"capabilities": wanted})


def capabilities_of(machine: HasMonitor) -> list[str]:
    """The migration capabilities that are on."""
    return [capability["capability"] for capability in machine.ask("query-migrate-capabilities") if capability["state"]]


@contextmanager
def configured(machine: HasMonitor, capabilities: Iterable[str]) -> Iterator[None]:
    """Capabilities on and bandwidth without limit, and afterwards as it was."""
    on = set(capabilities_of(machine))
    added = [name for name in capabilities if name not in on]
    parameters = machine.ask("query-migrate-parameters")
    before = {name: parameters[name] for name in NO_LIMIT if name in parameters}
    set_capabilities(machine, added)
    machine.ask("migrate-set-parameters", dict(NO_LIMIT))
    try:
        yield
    finally:
        # A QEMU that has gone has nothing to put back.
        with suppress(MachineError):
            machine.ask("migrate-set-parameters", before)
            set_capabilities(machine, added, state=False)


def save(
    machine: HasMonitor,
    path: str | os.PathLike[str],
    *,
    transport: str | None = None,
    progress: Progress | None = None,
    limit: float = 600,
) -> dict[str, Any]:
    """Migrate a machine into a file, which is whole or not there. Afterwards the guest stands still.

    `transport` is how the bytes get there: "fd", through this process; "exec", through a cat that QEMU starts; "file",
    by QEMU itself, from 8.2 on. None takes "fd" where QEMU can be given a descriptor, else "exec". Returns QEMU's last
    answer to query-migrate, with "sha256" and "size" of the file. Raises `VMStateError`.
    """
    transport = transport or ("fd" if machine.monitor.is_local else "exec")
    if transport == "fd":
        return _save_here(machine, path, progress, limit)
    if transport == "file" and machine.monitor.version[:2] < FILE_SINCE:
        raise MachineError(
            "this QEMU has no `migrate file:`", expected=f"{FILE_SINCE} or later", found=_version_text(machine)
        )
    with _place_for(machine, path) as place:
        uri = f"exec:cat > {shlex.quote(place)}" if transport == "exec" else f"file:{place}"
        machine.ask("migrate", {"uri": uri})
        try:
            answer = follow(machine, limit, progress)
        except MachineError as error:
            # QEMU says no more than that nobody reads its pipe.
            if _is_full(path):
                raise StreamError(f"no space left on device: {error}", file=os.fspath(path)) from None
            raise
        return _whole(answer, *_digest_of(place, limit))


def _whole(answer: dict[str, Any], digest: str, size: int) -> dict[str, Any]:
    """QEMU's answer with what is known of the file. Raises `MachineError` where nothing is in it."""
    if not size:
        raise MachineError("QEMU calls the migration complete, and no byte of it came")
    return {**answer, "sha256": digest, "size": size}


def _digest_of(path: str, limit: float) -> tuple[str, int]:
    """The sha256 and size of what QEMU wrote. Raises `MachineError` where it takes longer than `limit` seconds."""
    digest = hashlib.sha256()
    end = time.monotonic() + limit
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            if time.monotonic() > end:
                found = f"{os.fstat(file.fileno()).st_size} bytes"
                raise MachineError(f"what was written cannot be read in {limit:g} s", found=found)
        return digest.hexdigest(), file.tell()


@contextmanager
def _place_for(machine: HasMonitor, path: str | os.PathLike[str]) -> Iterator[str]:
    """A name by which QEMU can write what takes the place of `path` when the body ends well.

    That is the nameless file that is open here, which is gone when this process is, however that ends. A QEMU that
    runs elsewhere, as somebody else or with other folders may not reach it, and gets a file with a name.
    """
    if isinstance(machine, Attached) and not _reaches_here(machine.monitor.peer):
        with _written_elsewhere(path) as temporary:
            yield os.path.abspath(temporary)
        return
    with replacing(path) as file:
        yield _place_of(file)


def _is_full(path: str | os.PathLike[str]) -> bool:
    """Whether nothing more can be written where a file is to be."""
    free = os.statvfs(os.path.dirname(os.path.abspath(path)))
    return free.f_bavail == 0


def _place_of(file: IO[bytes]) -> str:
    return f"/proc/{os.getpid()}/fd/{file.fileno()}"


def _reaches_here(pid: int | None) -> bool:
    """Whether a process can open, by its name under /proc, a file that is open in this one."""
    if pid is None:
        return False
    try:
        with open(f"/proc/{pid}/status") as status:
            # Real, effective, saved, and that for files.
            users = next(line.split()[1:] for line in status if line.startswith("Uid:"))
        with tempfile.TemporaryFile() as probe:
            seen = os.path.samefile(f"/proc/{pid}/root{_place_of(probe)}", _place_of(probe))
    except (OSError, StopIteration):
        return False
    return seen and int(users[-1]) in (0, os.geteuid())


def _version_text(machine: HasMonitor) -> str:
    return ".".join(map(str, machine.monitor.version))


def _save_here(
    machine: HasMonitor, path: str | os.PathLike[str], progress: Progress | None, limit: float
) -> dict[str, Any]:
    with replacing(path) as file:
        reading, writing = os.pipe()
        try:
            machine.monitor.send_descriptor(writing, "vmstate-out")
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        with _Copy(reading, file, limit) as copy:
            try:
                machine.ask("migrate", {"uri": "fd:vmstate-out"})
                answer = follow(machine, limit, progress)
            except BaseException as error:
                with suppress(MachineError):
                    # A migration that never began has left it open.
                    machine.monitor.ask_or_none("closefd", {"fdname": "vmstate-out"})
                if copy.failed is not None and isinstance(error, MachineError):
                    raise _error_with_file(copy.failed, path) from None
                raise
        if copy.failed is not None:
            raise _error_with_file(copy.failed, path)
        if copy.thread.is_alive():
            raise MachineError(f"the migration is complete, and its stream does not end in {limit:g} s")
        return _whole(answer, copy.digest.hexdigest(), copy.size)


def _error_with_file(error: OSError, path: str | os.PathLike[str]) -> StreamError:
    return StreamError((error.strerror or str(error)).lower(), file=os.fspath(path))


class _Copy:
    """A thread that writes what comes through a pipe into a file."""

    def __init__(self, reading: int, file: IO[bytes], limit: float) -> None:
        self.reading = reading
        self.file = file
        self.limit = limit
        self.digest = hashlib.sha256()
        self.size = 0
        self.failed: OSError | None = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        try:
            while piece := os.read(self.reading, PIECE):
                self.file.write(piece)
                self.digest.update(piece)
                self.size += len(piece)
            self.file.flush()
        except OSError as error:
            self.failed = error
        except ValueError:
            # The file was closed: nobody wants the rest.
            return
        finally:
            # QEMU must not wait for somebody to read on.
            os.close(self.reading)

    def __enter__(self) -> _Copy:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        # The pipe ends when QEMU lets go of it, which it does when the migration has ended either way.
        self.thread.join(5 if kind else self.limit)


@answers_understood()
def follow(machine: HasMonitor, limit: float, progress: Progress | None = None) -> dict[str, Any]:
    """Wait until an outgoing migration is complete. Raises `MachineError` with QEMU's reason where it fails."""
    end = time.monotonic() + limit
    try:
        while True:
            answer: dict[str, Any] = machine.ask("query-migrate")
            status = answer.get("status")
            if progress is not None:
                progress(answer)
            if status == "completed":
                return answer
            if status in ("failed", "cancelled"):
                words = str(answer.get("error-desc", "QEMU does not say why"))[:MOST_WORDS]
                raise MachineError(f"the migration {status}: {words}")
            if time.monotonic() > end:
                raise MachineError(f"the migration did not end in {limit:g} s", found=str(status)[:80])
            machine.monitor.wait()
    except BaseException:
        with suppress(VMStateError):
            machine.monitor.ask_or_none("migrate_cancel")
        raise


@contextmanager
def _written_elsewhere(path: str | os.PathLike[str]) -> Iterator[str]:
    """The name of an empty file beside `path`, for another process to write, which takes its place when the body ends
    well and goes away when it does not.
    """
    name = os.fspath(path)
    target = os.path.realpath(name)
    with reported(name):
        temporary = temporary_name(target)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    try:
        yield temporary
        with reported(name):
            descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(target))
