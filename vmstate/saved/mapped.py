"""Files that are mapped, since they are large: what goes to disk, and a file that is cut short while it is read.

Whoever touches a page of a map behind the end of its file gets SIGBUS, which ends the process. A handler in Python
comes too late: the instruction would be tried again before it runs. This one is called by the system itself, by way of
`_ctypes`; it puts zeros in the place of what is gone, so that the instruction succeeds, and `Guard.check` says what
happened. What is no fault of a guarded map is left to whoever handled the signal before.

Linux alone: elsewhere maps are not guarded.
"""

from __future__ import annotations

import _ctypes  # all that is used of `ctypes`, which makes two dozen classes more: a tenth of `vmstate info`
import _signal  # type: ignore[import-not-found]  # `signal` makes enumerations, which takes longer than the rest
import mmap
import os
import sys
from _weakref import ref  # all that is used of `weakref`, which takes longer to import than it saves
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from vmstate.errors import StreamError
from vmstate.files import reported

if TYPE_CHECKING:
    from vmstate.saved.opening import Input

_PAGE = mmap.PAGESIZE
_FIXED = 0x10
"""MAP_FIXED, of Linux' include/uapi/asm-generic/mman-common.h; the module mmap has no name for it."""

_SIZE_OF_ACTION = 512
"""More than a struct sigaction has anywhere; it is put back as it was, and not looked into."""


class _Pointer(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


class _Object(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "O"


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
    """long, and ssize_t, which is as large where there is a guard."""

    _type_ = "l"


class _Char(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "c"


class _Buffer(_ctypes.Structure):
    """Py_buffer, which has been the same since Python 3.11 is stable about it."""

    _fields_ = [  # noqa: RUF012 (as the base has it)
        ("buf", _Pointer),
        ("obj", _Object),
        ("len", _Long),
        ("itemsize", _Long),
        ("readonly", _Int),
        ("ndim", _Int),
        ("format", _Pointer),
        ("shape", _Pointer),
        ("strides", _Pointer),
        ("suboffsets", _Pointer),
        ("internal", _Pointer),
    ]


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _restype_ = _Int


class _PythonFunction(_ctypes.CFuncPtr):
    """One that is called with the interpreter's lock held, and may raise."""

    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
    _restype_ = _Int


class _Callback(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _restype_ = None
    _argtypes_ = (_Int,)


def _function(name: str, kind: type[_ctypes.CFuncPtr] = _Function) -> Any:
    """A function of what the process has loaded."""
    return kind(_ctypes.dlsym(_ctypes.dlopen(None, 0), name))  # type: ignore[arg-type]  # as ctypes.CDLL(None) calls it


class Guard:
    """A map that is looked after."""

    __slots__ = ("_address", "_length", "_mapping", "_present", "descriptor")

    def __init__(self, mapping: mmap.mmap, descriptor: int) -> None:
        self.descriptor = os.dup(descriptor)
        """The file, to be read without its map; it is closed when the map goes."""
        _close_with(mapping, self.descriptor)
        self._mapping = ref(mapping)
        self._address = _address_of(mapping)
        self._length = len(mapping)
        self._present = self._length
        """Bytes from the first on that are the file's, and not zeros in the place of what is gone."""

    def check(self, name: str) -> None:
        """Raise `StreamError` where the file has been cut short since it was mapped."""
        if self._present < self._length or self._size() < self._length:
            raise StreamError("the file was cut short while it was read", file=name)

    def _size(self) -> int:
        """Bytes that the file has now; those of the map where that is gone."""
        mapping = self._mapping()
        return self._length if mapping is None or mapping.closed else mapping.size()

    def data_from(self, at: int) -> int:
        """Where the file has no hole, from `at` on; its end where it has nothing more."""
        try:
            return os.lseek(self.descriptor, at, os.SEEK_DATA)
        except OSError:
            return self._length

    @property
    def is_open(self) -> bool:
        """Whether there is still a map."""
        mapping = self._mapping()
        return mapping is not None and not mapping.closed

    def fill(self, map_over: Callable[..., int | None]) -> bool:
        """Put zeros in the place of what is gone; whether anything was."""
        first = -(-self._size() // _PAGE) * _PAGE
        if first >= self._present:
            return False
        length = self._present - first
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED
        self._present = first
        return map_over(self._address + first, length, mmap.PROT_READ, flags, -1, 0) == self._address + first


_with_maps: dict[int, ref[mmap.mmap]] = {}
"""The descriptors that are closed when the map goes that they belong to."""


def _close_with(mapping: mmap.mmap, descriptor: int) -> None:
    def close(_gone: ref[mmap.mmap]) -> None:
        del _with_maps[descriptor]
        os.close(descriptor)

    _with_maps[descriptor] = ref(mapping, close)


class _Handler:
    """What is called at SIGBUS, as long as it is the process' handler."""

    def __init__(self) -> None:
        self.mmap = _function("mmap")
        self.mmap.restype, self.mmap.argtypes = _Pointer, (_Pointer, _Long, _Int, _Int, _Int, _Long)
        self.sigaction, self.signal = _function("sigaction"), _function("signal")
        self.signal.restype = _Pointer
        self.guards: list[Guard] = []
        self.called = _Callback(self.fill_or_leave)
        self.before: Any = None
        """What handled the signal before; None as long as this does not."""

    def add(self, guard: Guard) -> None:
        """Look after one map more."""
        self.guards[:] = [*(known for known in self.guards if known.is_open), guard]
        if self.before is None:
            before = (_Char * _SIZE_OF_ACTION)()
            self.sigaction(_signal.SIGBUS, None, before)
            self.signal(_signal.SIGBUS, self.called)
            self.before = before

    def fill_or_leave(self, number: int) -> None:
        """Put zeros where something is gone; if nothing is, the fault comes again, and then to whom it belongs."""
        filled = [guard.fill(self.mmap) for guard in self.guards]
        if not any(filled):
            self.sigaction(_signal.SIGBUS, self.before, None)
            self.before = None


@cache
def _handler() -> _Handler:
    return _Handler()


def guarded(mapping: mmap.mmap, descriptor: int) -> Guard | None:
    """Look after the map of a file; None where that cannot be done."""
    if sys.platform != "linux":
        return None
    try:
        guard = Guard(mapping, descriptor)
        _handler().add(guard)
    except (AttributeError, OSError):  # another Python, or another libc
        return None
    return guard


def _address_of(mapping: mmap.mmap) -> int:
    buffer = _Buffer()
    _function("PyObject_GetBuffer", _PythonFunction)(_Object(mapping), _ctypes.byref(buffer), 0)
    try:
        return int(buffer.buf or 0)
    finally:
        _function("PyBuffer_Release", _PythonFunction)(_ctypes.byref(buffer))


def read_into(opened: Input, buffers: Sequence[memoryview], start: int) -> None:
    """Fill buffers, a thousand at most, with opened.data[start:], which is all there. Of a mapped file nothing of the
    map is touched. Raises `StreamError` as `Input.check` does.
    """
    guard = opened.guard
    if guard is None:
        for buffer in buffers:
            buffer[:] = opened.data[start : start + len(buffer)]
            start += len(buffer)
    elif os.preadv(guard.descriptor, buffers, opened.base + start) < sum(map(len, buffers)):
        raise StreamError("the file was cut short while it was read", file=opened.name)


def put_on_disk(memory: bytearray, rest: Iterator[bytes], name: str) -> mmap.mmap:
    """What is in memory already and the rest, in an unlinked file that nobody else can cut short. Empties `memory`."""
    what = "cannot be put into a temporary file: "
    import tempfile

    with reported(name, what), tempfile.TemporaryFile(dir=_spool_folder()) as file:
        file.write(memory)
        memory.clear()
        for piece in rest:
            # Zeros stay holes: they take no disk.
            if piece.count(0) == len(piece):
                file.seek(len(piece), os.SEEK_CUR)
            else:
                file.write(piece)
        file.truncate()
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _spool_folder() -> str | None:
    """Where large temporary files belong: /tmp is often memory, which is what is to be spared."""
    folder = "/var/tmp"
    return None if "TMPDIR" in os.environ or not os.access(folder, os.W_OK | os.X_OK) else folder
