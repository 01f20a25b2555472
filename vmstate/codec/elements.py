"""One element of each wire type: how it is read and how it is written.

An element reader is `read(ctx, frame, pos, out) -> pos`: it appends the value to `out` and returns the position behind
it. An element writer is `write(ctx, frame, value, out)`: it appends bytes. Lengths are checked against what is left
before anything is allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from vmstate.codec.plan import Codecs, Element
from vmstate.codec.runtime import Context, Frame, enter, leave, refuse
from vmstate.codec.structs import read_struct, struct_element, write_struct
from vmstate.errors import EncodeError
from vmstate.vmsd import types as t
from vmstate.vmsd.expr import UNKNOWN, Expr

NULL = 0x30
FOLLOWS = 0x31


class OddList(list[Any]):
    """The elements of a list whose marker bytes are not all 1: any byte but 0 announces an element."""

    __slots__ = ("markers",)
    markers: bytes

    def markers_for(self) -> bytes:
        """The marker bytes, as long as the list has the length it was read with."""
        return self.markers if len(self.markers) == len(self) else b"\x01" * len(self)


@lru_cache(maxsize=256)
def packer(layout: str) -> struct.Struct:
    """A compiled struct.Struct."""
    return struct.Struct(layout)


def number(ctx: Context, frame: Frame, value: int | Expr, what: str, pos: int) -> int:
    """The value of a count or size."""
    result = value.evaluate(frame) if isinstance(value, Expr) else value
    if result is UNKNOWN or result is None:
        raise ctx.wrong(f"the {what} {value} is not known", pos)
    if not isinstance(result, int) or not 0 <= result <= 0x7FFFFFFF:
        raise ctx.wrong(f"the {what} cannot be that", pos, "0 to 2147483647", repr(result))
    # A condition counts too: true is one.
    return int(result)


def element(kind: t.WireType, codecs: Codecs) -> Element:
    """The element of a wire type."""
    make = _MAKERS.get(type(kind))
    if make is None:
        raise EncodeError(f"nothing of type {type(kind).__name__} is on the wire")
    return make(kind, codecs)


def _ordered_scalar(kind: t.Scalar) -> Element:
    if kind.order in t.ORDERS:
        little, big = (scalar(t.Scalar(kind.info, kind.code, kind.size, order, kind.rule)) for order in "<>")
        return choice(t.ORDERS[kind.order], {"little": lambda: little, "big": lambda: big})
    return words(kind) if kind.order == "words" else scalar(kind)


def scalar(kind: t.Scalar) -> Element:
    """A bool or an integer."""
    size, code = kind.size, kind.code
    plain = packer(kind.order + ("B" if code == "?" else code))
    is_bool = code == "?"
    low, high = kind.minimum, kind.maximum

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        if pos + size > ctx.end:
            raise ctx.short(pos, size)
        value = plain.unpack_from(ctx.data, pos)[0]
        out.append(value != 0 if is_bool else value)
        return pos + size

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if not isinstance(value, int) or not low <= value <= high:
            raise refuse(ctx, value, "true or false" if is_bool else f"an integer from {low} to {high}")
        out += plain.pack(value)

    return Element(read, write, size, size)


def words(kind: t.Scalar) -> Element:
    """Eight bytes that are two big-endian words, the lower first."""
    plain = scalar(t.UINT64)

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        end = plain.read(ctx, frame, pos, out)
        out[-1] = swapped(out[-1])
        return end

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        plain.write(ctx, frame, value, out)
        out[-8:] = out[-4:] + out[-8:-4]

    return Element(read, write, kind.size, kind.size)


def swapped(value: int) -> int:
    """A 64-bit number with its halves exchanged."""
    return value >> 32 | (value & 0xFFFFFFFF) << 32


def nullptr() -> Element:
    """The marker of a NULL."""

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        marker = byte_at(ctx, pos)
        if marker != NULL:
            raise ctx.wrong("not the marker of a NULL pointer", pos, "0x30", f"{marker:#04x}")
        out.append(None)
        return pos + 1

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if value is not None:
            raise refuse(ctx, value, "nothing: the pointer is NULL in this description")
        out.append(NULL)

    # It is one byte, but not any byte: what can be refused must be read, and is never kept for later in a table.
    return Element(read, write, None, 1)


def byte_at(ctx: Context, pos: int) -> int:
    """The byte at a position."""
    if pos >= ctx.end:
        raise ctx.short(pos, 1)
    byte: int = ctx.data[pos]
    return byte


def buffer(size: int | Expr) -> Element:
    """Bytes."""

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        length = number(ctx, frame, size, "size", pos) if fixed is None else fixed
        end = pos + length
        if end > ctx.end:
            raise ctx.short(pos, length)
        out.append(bytes(ctx.data[pos:end]))
        return end

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        length = number(ctx, frame, size, "size", 0)
        if not isinstance(value, (bytes, bytearray, memoryview)) or len(value) != length:
            raise refuse(ctx, value, f"{length} bytes")
        out += value

    fixed = size if isinstance(size, int) else None
    return Element(read, write, fixed, fixed or 0)


def utf8(ctx: Context, value: str) -> bytes:
    """The bytes of a text."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise refuse(ctx, value, "text that UTF-8 can say") from None


def text(size: int | Expr) -> Element:
    """Bytes that are text."""
    plain = buffer(size)

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        pieces: list[Any] = []
        end = plain.read(ctx, frame, pos, pieces)
        out.append(pieces[0].decode("utf-8", "surrogateescape"))
        return end

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if not isinstance(value, str):
            raise refuse(ctx, value, "text")
        plain.write(ctx, frame, utf8(ctx, value), out)

    return Element(read, write, plain.size, plain.least)


def opaque(kind: t.Opaque) -> Element:
    """Bytes of an info that is not known: as many as were seen, unless the stream's own footer says otherwise."""

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        length = number(ctx, frame, kind.size, "size", pos)
        if ctx.longer_opaque is not None and ctx.longer_opaque[0] == ctx.opaque_seen:
            length = max(0, length + ctx.longer_opaque[1])
        ctx.opaque_seen += 1
        if pos + length > ctx.end:
            raise ctx.short(pos, length)
        out.append(bytes(ctx.data[pos : pos + length]))
        return pos + length

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise refuse(ctx, value, "bytes")
        out += value

    return Element(read, write, None, 0)


def unused(kind: t.Unused) -> Element:
    """Bytes skipped; what is written is zeros."""
    plain = buffer(kind.size)

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        out += bytes(number(ctx, frame, kind.size, "size", 0))

    return Element(plain.read, write, plain.size, plain.least)


def bitmap(bits: int | Expr) -> Element:
    """A bitmap, as an int."""

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        words = (number(ctx, frame, bits, "number of bits", pos) + 63) // 64
        if pos + words * 8 > ctx.end:
            raise ctx.short(pos, words * 8)
        values = struct.unpack_from(f">{words}Q", ctx.data, pos)
        out.append(int.from_bytes(struct.pack(f"<{words}Q", *values), "little"))
        return pos + words * 8

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        words = (number(ctx, frame, bits, "number of bits", 0) + 63) // 64
        if not isinstance(value, int) or value < 0 or value.bit_length() > words * 64:
            raise refuse(ctx, value, f"an integer of at most {words * 64} bits")
        out += struct.pack(f">{words}Q", *struct.unpack(f"<{words}Q", value.to_bytes(words * 8, "little")))

    fixed = (bits + 63) // 64 * 8 if isinstance(bits, int) else None
    return Element(read, write, fixed, fixed or 0)


def counted_string() -> Element:
    """Text behind its length in one byte."""

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        length = byte_at(ctx, pos)
        if pos + 1 + length > ctx.end:
            raise ctx.short(pos + 1, length)
        out.append(bytes(ctx.data[pos + 1 : pos + 1 + length]).decode("utf-8", "surrogateescape"))
        return pos + 1 + length

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        if not isinstance(value, str):
            raise refuse(ctx, value, "text")
        raw = utf8(ctx, value)
        if len(raw) > 255:
            raise refuse(ctx, value, "at most 255 bytes of text")
        out.append(len(raw))
        out += raw

    return Element(read, write, None, 1)


def chunks(limit: int) -> Element:
    """Pieces of bytes behind their lengths, ended by a length of zero."""

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        pieces: list[bytes] = []
        while True:
            if pos + 4 > ctx.end:
                raise ctx.short(pos, 4)
            length = int.from_bytes(ctx.data[pos : pos + 4], "big")
            pos += 4
            if length == 0:
                break
            if length > limit:
                raise ctx.wrong("a chunk is too long", pos - 4, f"at most {limit} bytes", str(length))
            if pos + length > ctx.end:
                raise ctx.short(pos, length)
            pieces.append(bytes(ctx.data[pos : pos + length]))
            pos += length
        out.append(pieces)
        return pos

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        for piece in as_list(ctx, value):
            if not isinstance(piece, (bytes, bytearray)) or not 0 < len(piece) <= limit:
                raise refuse(ctx, piece, f"1 to {limit} bytes")
            out += len(piece).to_bytes(4, "big")
            out += piece
        out += bytes(4)

    return Element(read, write, None, 4)


def as_list(ctx: Context, value: Any) -> Any:
    """The value, if it is a sequence of elements."""
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
        raise refuse(ctx, value, "a list")
    return value


def as_pair(ctx: Context, value: Any) -> Any:
    """The value, if it is a pair of a key and a value."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise refuse(ctx, value, "a pair of a key and a value")
    return value


def choice(on: Expr, cases: dict[Any, Callable[[], Element]]) -> Element:
    """One of several elements, each made when it is first chosen."""
    made: dict[Any, Element] = {}

    def chosen(ctx: Context, frame: Frame, pos: int) -> Element:
        value = on.evaluate(frame)
        try:
            if value not in made:
                made[value] = cases[value]()
            return made[value]
        except (KeyError, TypeError):
            known = ", ".join(str(case) for case in cases)
            raise ctx.wrong(f"{on} selects nothing", pos, f"one of {known}", repr(value)) from None

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        return chosen(ctx, frame, pos).read(ctx, frame, pos, out)

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        chosen(ctx, frame, 0).write(ctx, frame, value, out)

    return Element(read, write, None, 0)


def markers_or_not(values: list[Any], markers: bytearray) -> list[Any]:
    """The list as read; as an `OddList` where its marker bytes are not QEMU's."""
    if markers.count(1) == len(markers):
        return values
    odd = OddList(values)
    odd.markers = bytes(markers)
    return odd


def markers_of(value: Any) -> bytes:
    """The marker bytes to write before the elements."""
    return value.markers_for() if isinstance(value, OddList) else b"\x01" * len(value)


def qlist(kind: t.QList, codecs: Codecs) -> Element:
    """QTAILQ and QLIST."""
    inner = struct_element(codecs, kind.vmsd, kind.version)

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        values: list[Any] = []
        markers = bytearray()
        while marker := byte_at(ctx, pos):
            enter(ctx, len(values))
            pos = inner.read(ctx, frame, pos + 1, values)
            leave(ctx)
            markers.append(marker)
        out.append(markers_or_not(values, markers))
        return pos + 1

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        for index, (marker, item) in enumerate(zip(markers_of(as_list(ctx, value)), value, strict=True)):
            out.append(marker)
            enter(ctx, index)
            inner.write(ctx, frame, item, out)
            leave(ctx)
        out.append(0)

    return Element(read, write, None, 1)


def gtree(kind: t.GTree, codecs: Codecs) -> Element:
    """A GTree."""
    key = scalar(t.UINT64) if kind.key is None else struct_element(codecs, kind.key, kind.version)
    node = struct_element(codecs, kind.value, kind.version)

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        if pos + 4 > ctx.end:
            raise ctx.short(pos, 4)
        start, count = pos, int.from_bytes(ctx.data[pos : pos + 4], "big")
        pos += 4
        pairs: list[Any] = []
        markers = bytearray()
        while marker := byte_at(ctx, pos):
            if len(pairs) == count:
                raise ctx.wrong("the tree has more nodes than it says", pos, f"{count} nodes")
            pair: list[Any] = []
            enter(ctx, len(pairs))
            pos += 1
            for half, part in enumerate((key, node)):
                enter(ctx, half)
                pos = part.read(ctx, frame, pos, pair)
                leave(ctx)
            leave(ctx)
            pairs.append(tuple(pair))
            markers.append(marker)
        if len(pairs) != count:
            raise ctx.wrong("the tree has fewer nodes than it says", start, f"{count} nodes", str(len(pairs)))
        out.append(markers_or_not(pairs, markers))
        return pos + 1

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        out += len(as_list(ctx, value)).to_bytes(4, "big")
        for index, (marker, pair) in enumerate(zip(markers_of(value), value, strict=True)):
            out.append(marker)
            enter(ctx, index)
            for half, (part, item) in enumerate(zip((key, node), as_pair(ctx, pair), strict=True)):
                enter(ctx, half)
                part.write(ctx, frame, item, out)
                leave(ctx)
            leave(ctx)
        out.append(0)

    return Element(read, write, None, 5)


def keyed_list(kind: t.KeyedList, codecs: Codecs) -> Element:
    """Structs that begin with a key; one key ends the list, where it is zero one below alike (get_scsi_requests)."""
    # Empty nearly always: compiled when there is one.
    vmsd = kind.vmsd
    key = element(kind.key, codecs)

    def read(ctx: Context, frame: Frame, pos: int, out: list[Any]) -> int:
        values: list[Any] = []
        while True:
            peeked: list[Any] = []
            behind = key.read(ctx, frame, pos, peeked)
            if kind.is_end(peeked[0]):
                break
            enter(ctx, len(values))
            pos = read_struct(codecs.plan(vmsd, vmsd.version_id), ctx, frame, pos, values)
            leave(ctx)
        out.append(values)
        return behind

    def write(ctx: Context, frame: Frame, value: Any, out: bytearray) -> None:
        for index, item in enumerate(as_list(ctx, value)):
            enter(ctx, index)
            start = len(out)
            write_struct(codecs.plan(vmsd, vmsd.version_id), ctx, frame, item, out)
            written: list[Any] = []
            key.read(Context(memoryview(bytes(out[start : start + kind.key.size])), facts=ctx.facts), frame, 0, written)
            if kind.is_end(written[0]):
                wanted = f"a key other than {kind.end:#x}" if kind.end else "a key above zero"
                raise refuse(ctx, item, f"{wanted}, which would end the list")
            leave(ctx)
        key.write(ctx, frame, kind.end, out)

    return Element(read, write, None, kind.key.size)


def _struct(kind: Any, codecs: Codecs) -> Element:
    return struct_element(codecs, kind.vmsd, kind.version)


_MAKERS: dict[type, Callable[[Any, Codecs], Element]] = {
    t.Scalar: lambda kind, _: _ordered_scalar(kind),
    t.Nullptr: lambda _, __: nullptr(),
    t.Unused: lambda kind, _: unused(kind),
    t.Opaque: lambda kind, _: opaque(kind),
    t.Text: lambda kind, _: text(kind.size),
    t.Buffer: lambda kind, _: buffer(kind.size),
    t.Bitmap: lambda kind, _: bitmap(kind.bits),
    t.CountedString: lambda _, __: counted_string(),
    t.Chunks: lambda kind, _: chunks(kind.limit),
    t.QList: qlist,
    t.Struct: _struct,
    t.Info: _struct,
    t.WithTmp: _struct,
    t.GTree: gtree,
    t.KeyedList: keyed_list,
    t.Choice: lambda kind, codecs: choice(
        kind.on, {value: partial(element, case, codecs) for value, case in kind.cases}
    ),
    t.Later: lambda kind, codecs: element(kind.resolve(), codecs),
}
"""What makes the element of each wire type."""
