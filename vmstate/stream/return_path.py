"""The return path of a migration, sans-I/O: what a destination says to its source.

    reader = ReturnPathReader()
    reader.receive_data(data)             # any number of bytes; b"" says that no more will come
    message = reader.next_event()         # a ReturnMessage, a ReceivedBitmap, NEED_DATA or DONE

The source opens it by the command OPEN_RETURN_PATH on the stream. Each message is be16 type, be16 length, data. Behind
a RECV_BITMAP come, without a header, the bits of the pages of that block which have arrived. `to_bytes` is the other
way.

From QEMU's migration/migration.c (rp_cmd_args, source_return_path_thread) and migration/ram.c
(ramblock_recv_bitmap_send). VM_STARTED is of a proposed series (27 Jan 2026), and not seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

from vmstate.errors import StreamError, TruncatedError
from vmstate.stream.events import DONE, NEED_DATA, Done, NeedData
from vmstate.vmsd.data import Value


class ReturnType(IntEnum):
    """enum mig_rp_message_type."""

    SHUT = 1
    PONG = 2
    REQ_PAGES_ID = 3
    REQ_PAGES = 4
    RECV_BITMAP = 5
    RESUME_ACK = 6
    SWITCHOVER_ACK = 7
    VM_STARTED = 8


LENGTHS = {
    ReturnType.SHUT: 4,
    ReturnType.PONG: 4,
    ReturnType.REQ_PAGES: 12,
    ReturnType.RESUME_ACK: 4,
    ReturnType.SWITCHOVER_ACK: 0,
    ReturnType.VM_STARTED: 0,
}
"""The bytes of data of a type that has always as many."""

LONGEST = 512
"""Bytes of data at most: QEMU reads them into so much."""

BITMAP_END = 0x0123456789ABCDEF
MOST_PAGES = 1 << 32
"""Pages of one block at most, 16 TiB of the smallest: a larger bitmap is none."""

_HEADER = struct.Struct(">HH")
_RANGE = struct.Struct(">QI")
_BE64 = struct.Struct(">Q")


class ReturnMessage(Value):
    """A message: its type, the data, the offset of its first byte in what the destination said."""

    type: ReturnType
    data: bytes = b""
    offset: int = 0

    @property
    def name(self) -> str:
        """QEMU's name of the message."""
        return self.type.name

    @property
    def value(self) -> int | None:
        """The number of SHUT (0, or that the destination failed), PONG (which PING) and RESUME_ACK; else None."""
        if self.type in (ReturnType.SHUT, ReturnType.PONG, ReturnType.RESUME_ACK):
            return int.from_bytes(self.data, "big")
        return None

    @property
    def pages(self) -> tuple[int, int] | None:
        """The start in the block and the length, bytes, of what REQ_PAGES and REQ_PAGES_ID ask for; else None."""
        if self.type not in (ReturnType.REQ_PAGES, ReturnType.REQ_PAGES_ID):
            return None
        start, length = _RANGE.unpack_from(self.data)
        return start, length

    @property
    def block(self) -> str | None:
        """The block of RAM of REQ_PAGES_ID and RECV_BITMAP; None for REQ_PAGES, which goes on with the last one."""
        match self.type:
            case ReturnType.REQ_PAGES_ID:
                return self.data[_RANGE.size + 1 :].decode("utf-8", "replace")
            case ReturnType.RECV_BITMAP:
                return self.data[1 : 1 + self.data[0]].decode("utf-8", "replace")
        return None

    def to_bytes(self) -> bytes:
        """The bytes of the message. Raises `StreamError` where no source would take it."""
        _check(self.type, self.data, self.offset)
        return _HEADER.pack(self.type, len(self.data)) + self.data


class ReceivedBitmap(Value):
    """What follows a RECV_BITMAP: be64 size, a bit for each page, little-endian, be64 end mark."""

    bits: bytes
    offset: int = 0

    def to_bytes(self) -> bytes:
        """The bytes."""
        return _BE64.pack(len(self.bits)) + self.bits + _BE64.pack(BITMAP_END)


ReturnEvent = ReturnMessage | ReceivedBitmap


class ReturnPathReader:
    """Reads what comes back."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._base = 0
        self._closed = False
        self._is_bitmap = False

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes; none say that no more will come."""
        if not len(data):
            self._closed = True
        self._buffer += data

    def next_event(self) -> ReturnEvent | NeedData | Done:
        """The next event. Raises `StreamError` for what a source would not take, `TruncatedError` at a cut."""
        step = self._bitmap() if self._is_bitmap else self._message()
        if step is not None:
            event, size = step
            del self._buffer[:size]
            self._base += size
            self._is_bitmap = isinstance(event, ReturnMessage) and event.type is ReturnType.RECV_BITMAP
            return event
        if not self._closed:
            return NEED_DATA
        if self._buffer or self._is_bitmap:
            raise TruncatedError("the return path ends in a message", needed=self._base + len(self._buffer) + 1)
        return DONE

    def events(self, data: bytes | bytearray | memoryview) -> Iterator[ReturnEvent]:
        """The events that are there once `data` has come."""
        self.receive_data(data)
        while True:
            event = self.next_event()
            if isinstance(event, (NeedData, Done)):
                return
            yield event

    def _message(self) -> tuple[ReturnEvent, int] | None:
        if len(self._buffer) < _HEADER.size:
            return None
        number, length = _HEADER.unpack_from(self._buffer)
        try:
            kind = ReturnType(number)
        except ValueError:
            raise StreamError(
                "no message of the return path",
                offset=self._base,
                expected=f"1 to {max(ReturnType):d}",
                found=str(number),
            ) from None
        expected = LENGTHS.get(kind)
        if length > LONGEST or expected not in (None, length):
            raise StreamError(
                f"{kind.name} of another length",
                offset=self._base,
                expected=f"at most {LONGEST}" if expected is None else str(expected),
                found=str(length),
            )
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        data = bytes(self._buffer[_HEADER.size : end])
        _check(kind, data, self._base)
        return ReturnMessage(kind, data, self._base), end

    def _bitmap(self) -> tuple[ReturnEvent, int] | None:
        if len(self._buffer) < _BE64.size:
            return None
        (size,) = _BE64.unpack_from(self._buffer)
        if size > MOST_PAGES // 8:
            raise StreamError("the bitmap of received pages is too long", offset=self._base, found=str(size))
        end = 2 * _BE64.size + size
        if len(self._buffer) < end:
            return None
        bits = bytes(self._buffer[_BE64.size : _BE64.size + size])
        (mark,) = _BE64.unpack_from(self._buffer, _BE64.size + size)
        if mark != BITMAP_END:
            raise StreamError(
                "the bitmap of received pages has another end",
                offset=self._base + _BE64.size + size,
                expected=f"{BITMAP_END:#x}",
                found=f"{mark:#x}",
            )
        return ReceivedBitmap(bits, self._base), end


def _check(kind: ReturnType, data: bytes, offset: int) -> None:
    """Raise `StreamError` for data that the type cannot have."""
    if kind is ReturnType.REQ_PAGES_ID:
        fits = len(data) > _RANGE.size and len(data) == _RANGE.size + 1 + data[_RANGE.size]
    elif kind is ReturnType.RECV_BITMAP:
        fits = 0 < len(data) <= 256 and len(data) == 1 + data[0]
    else:
        fits = len(data) == LENGTHS[kind]
    if not fits:
        raise StreamError(
            f"{kind.name} does not hold what it should", offset=offset, found=data[:32].hex() or "nothing"
        )
