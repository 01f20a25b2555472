"""Files that are written whole or not at all, the system's errors as this library's, and sizes in words."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vmstate.errors import StreamError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


# Writing

PIECE = 1 << 20
"""Bytes read, decompressed and copied at a time."""

READER_LIMIT = 5.0
"""Seconds for which the reader of a FIFO is waited for."""

HOLE = memoryview(bytes(PIECE))
"""A piece of zeros, where what is read has a hole; one is left where it is written."""

_HOLE = 1 << 16
_ZEROS = bytes(_HOLE)


def write_atomic(path: str | os.PathLike[str], chunks: Iterable[ReadableBuffer]) -> None:
    """Write a file so that it has either its old content or all of the new one, whatever happens.

    The chunks go to a nameless file in the target's folder, which takes its place when it is on disk: even a process
    that is killed leaves nothing behind. Where the file system has no nameless files it is a temporary one beside the
    target. An existing file's mode is kept, a new one gets what the umask gives. The chunks may be views of the file
    that is replaced. A symbolic link keeps pointing where it does and its file is replaced. A device or pipe is written
    straight into, there being nothing to replace.

    Raises StreamError: a directory, no permission, no room. What `chunks` raises comes through,
    and leaves the old file and no temporary one.
    """
    name = os.fspath(path)
    with replacing(path) as file:
        for chunk in chunks:
            with reported(name):
                _put(file, chunk)
        if isinstance(file, io.BufferedRandom):
            with reported(name):
                file.truncate()


def _put(file: io.BufferedRandom | io.BufferedWriter, chunk: ReadableBuffer) -> None:
    """Write a chunk; zeros, where there are many, become a hole of a file that is a new one."""
    view = memoryview(chunk).cast("B")
    begin = 0
    if isinstance(file, io.BufferedRandom):
        if chunk is HOLE:
            file.seek(PIECE, os.SEEK_CUR)
            return
        for at in range(0, len(view) - _HOLE + 1, _HOLE):
            if not view[at] and bytes(view[at : at + _HOLE]) == _ZEROS:
                file.write(view[begin:at])
                begin = at + _HOLE
                file.seek(_HOLE, os.SEEK_CUR)
    file.write(view[begin:])


@contextmanager
def replacing(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[io.BufferedRandom | io.BufferedWriter]:
    """A file to write into, which takes the place of `path` when the body ends well, as `write_atomic` has it.

    Without `sync` it does so before it is on disk: what a machine that loses its power then has is not known.
    """
    name = os.fspath(path)
    with reported(name):
        status = _status(name)
    replaced = status is None or stat.S_ISREG(status.st_mode)
    with _replacement(name, status, sync) if replaced else _written_in_place(name) as file:
        yield file


def _status(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)
    except FileNotFoundError:
        if os.path.basename(name) in ("", ".", ".."):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        return None


@contextmanager
def _written_in_place(name: str) -> Iterator[io.BufferedWriter]:
    with reported(name):
        file = open(name, "wb", opener=_awaited)  # noqa: SIM115 (closed below, each way in its own manner)
    try:
        yield file
        with reported(name):
            file.close()
    except BaseException:
        _close_failed(file)
        raise


def _awaited(name: str, flags: int) -> int:
    """A descriptor; that of a FIFO when somebody reads it, for which a program may have to start first."""
    for _ in range(int(READER_LIMIT / 0.05)):
        try:
            descriptor = os.open(name, flags | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(name).st_mode):
                raise
            time.sleep(0.05)
        else:
            os.set_blocking(descriptor, True)
            return descriptor
    raise StreamError("nobody reads it", file=name, expected=f"a reader of this FIFO within {READER_LIMIT:g} s")


@contextmanager
def _replacement(
    name: str, status: os.stat_result | None, sync: bool
) -> Iterator[io.BufferedRandom | io.BufferedWriter]:
    """A temporary file that takes the place of `name` when the body ends well, else goes away."""
    target = os.path.realpath(name)
    with reported(name):
        if status is not None and not os.access(target, os.W_OK):
            # Renaming would get round the protection of the file itself.
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        temporary, is_named, file = _temporary_beside(target, private=status is not None)
    try:
        yield file
        with reported(name):
            file.flush()
            if status is not None:
                os.fchmod(file.fileno(), status.st_mode & 0o777)
            if sync:
                os.fsync(file.fileno())
            if not is_named:
                try:
                    _name_file(file, target)
                except FileExistsError:
                    # A link cannot take the place of a file that is there; a file with a name can.
                    _name_file(file, temporary)
                    is_named = True
            if is_named:
                os.replace(temporary, target)
            file.close()
    except BaseException:
        _close_failed(file)
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if sync:
        sync_folder(os.path.dirname(target))


def _close_failed(file: io.BufferedRandom | io.BufferedWriter) -> None:
    """Close a file that failed: what it still holds would only fail again."""
    with suppress(OSError):
        file.close()


def temporary_name(target: str) -> str:
    """A name beside a file that nobody has."""
    return os.path.join(os.path.dirname(target), f".vmstate-{os.urandom(8).hex()}.tmp")


def _temporary_beside(target: str, *, private: bool) -> tuple[str, bool, io.BufferedRandom | io.BufferedWriter]:
    """A name beside the target, whether the file has it already, and the file: nameless where that can be.

    It is private until the target's mode is copied.
    """
    mode = 0o600 if private else 0o666
    temporary = temporary_name(target)
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with suppress(OSError):
            descriptor = os.open(os.path.dirname(target), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, mode)
            return temporary, False, open(descriptor, "w+b")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return temporary, True, open(os.open(temporary, flags, mode), "w+b")


def _name_file(file: io.BufferedRandom | io.BufferedWriter, name: str) -> None:
    """Give a nameless file a name."""
    # Only with a folder's descriptor does Python follow the link in /proc; an absolute path takes no notice of it.
    os.link(f"/proc/self/fd/{file.fileno()}", name, src_dir_fd=file.fileno(), follow_symlinks=True)


def sync_folder(folder: str) -> None:
    """Make the rename last through a crash, on file systems that can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def reported(name: str, what: str = "") -> Iterator[None]:
    """Turn the system's errors into ours. ValueError is a path that no system takes."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFAULT:
            # The system does not find what it is to write: it is mapped, and its file was cut short.
            raise StreamError("what is written here was cut short while it was read", file=name) from error
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        raise StreamError(f"{what}{reason}", file=name) from error
    except ValueError as error:
        raise StreamError(f"{what}{error}", file=name) from error


def size_text(size: int) -> str:
    """A number of bytes for a reader: 3.1 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.4g} TiB"
