"""How a structure of the host's ABI is declared: a class body of words, read as the C structure it is.

    @structure
    class VringState(Structure):
        index: int = uint32()
        num: int = uint32()

makes a frozen attrs class with keyword construction. Its `layout` is a `construct` declaration of the same bytes.
Numbers are in the byte order of the host, which here is always little-endian. Padding that the C compiler inserts is
written out, and is kept, so that `encode(decode(data)) == data` for all data that decodes.

Every failure is a `DecodeError` or an `EncodeError` with the offset in the buffer that was given, what was expected
there and what was found.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform
from uuid import UUID

import attrs
import construct as cs

from vmstate.errors import DecodeError, EncodeError, TruncatedError

T = TypeVar("T")
Octets = bytes | bytearray | memoryview
"""What is read from: anything that holds bytes."""

KIND = "construct"
"""The key of a member's metadata under which its declaration stands."""


def octets(data: Octets) -> memoryview:
    """The bytes of a buffer, one by one, whatever its elements are."""
    view = memoryview(data)
    return view if view.format == "B" and view.ndim == 1 else memoryview(view.tobytes())


def truncated(what: str, data: memoryview, offset: int, size: int) -> TruncatedError:
    """The error of a buffer that ends inside `what`, which is `size` bytes long from `offset` on."""
    return TruncatedError(
        f"the data ends inside {what}",
        needed=offset + size,
        offset=offset,
        expected=f"{size} bytes",
        found=f"{max(0, len(data) - offset)}",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Declarations of construct that fail as this library does.


def _dotted(path: str) -> str:
    """construct's "(building) -> regions -> [1] -> size" as "regions[1].size"."""
    return ".".join(path.split(" -> ")[1:]).replace(".[", "[")


def _wrong(value: object, expected: str, stream: Any, context: Any, path: str) -> EncodeError:
    return EncodeError(
        "the value does not fit",
        path=_dotted(path),
        offset=context._params.base + stream.tell(),
        expected=expected,
        found=repr(value),
    )


class Number(cs.Subconstruct):  # type: ignore[misc]
    """An integer of fixed size; what does not fit in it is an `EncodeError`."""

    def __init__(self, subcon: Any, *, signed: bool = False) -> None:
        super().__init__(subcon)
        bits = subcon.sizeof() * 8
        self.minimum = -(1 << bits - 1) if signed else 0
        self.maximum = (1 << bits - signed) - 1

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, int) or not self.minimum <= obj <= self.maximum:
            raise _wrong(obj, f"a number from {self.minimum} to {self.maximum}", stream, context, path)
        return self.subcon._build(int(obj), stream, context, path)


class Raw(cs.Subconstruct):  # type: ignore[misc]
    """Bytes, as many as are said."""

    def __init__(self, size: int) -> None:
        super().__init__(cs.Bytes(size))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        size = self.subcon.sizeof()
        if not isinstance(obj, bytes) or len(obj) != size:
            raise _wrong(obj, f"{size} bytes", stream, context, path)
        return self.subcon._build(obj, stream, context, path)


class Named(cs.Adapter):  # type: ignore[misc]
    """A number with names: any value of a Flag (bits without a name are kept), only the members of an Enum."""

    def __init__(self, subcon: Any, names: type[enum.IntEnum] | type[enum.IntFlag]) -> None:
        super().__init__(subcon)
        self.names = names

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        try:
            return self.names(obj)
        except ValueError:
            raise DecodeError(
                f"{obj} is no {self.names.__name__}",
                path=_dotted(path),
                offset=context._params.base + context._io.tell() - self.subcon.sizeof(),
                expected=self._expected(),
                found=str(obj),
            ) from None

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if issubclass(self.names, enum.IntEnum) and obj not in list(self.names):
            raise _wrong(obj, self._expected(), context._io, context, path)
        return obj

    def _expected(self) -> str:
        return "one of " + ", ".join(f"{member.value} ({member.name})" for member in self.names)


class Uuid(cs.Adapter):  # type: ignore[misc]
    """A UUID whose first three parts are big-endian."""

    def __init__(self) -> None:
        super().__init__(Raw(16))

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return UUID(bytes=obj)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, UUID):
            raise _wrong(obj, "a UUID", context._io, context, path)
        return obj.bytes


class Part(cs.Adapter):  # type: ignore[misc]
    """A structure as an object of its class."""

    def __init__(self, cls: type[Any], subcon: Any) -> None:
        super().__init__(subcon)
        self.cls = cls
        self.members = [part.name for part in subcon.subcons]

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return self.cls(**{name: obj[name] for name in self.members})

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if type(obj) is not self.cls:
            raise _wrong(obj, f"a {self.cls.__name__}", context._io, context, path)
        return {name: getattr(obj, name) for name in self.members}


class Row(cs.Subconstruct):  # type: ignore[misc]
    """Elements one behind the other, as many as are said, as a tuple. An error has the number of its element."""

    def __init__(self, subcon: Any, count: int) -> None:
        super().__init__(subcon)
        self.count = count

    def _parse(self, stream: Any, context: Any, path: str) -> tuple[Any, ...]:
        return tuple(self.subcon._parse(stream, context, f"{path} -> [{index}]") for index in range(self.count))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, Sequence) or len(obj) != self.count:
            found = f"{len(obj)}" if isinstance(obj, Sequence) else obj
            raise _wrong(found, f"{self.count} elements", stream, context, path)
        for index, element in enumerate(obj):
            self.subcon._build(element, stream, context, f"{path} -> [{index}]")
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return self.count * int(self.subcon._sizeof(context, path))


U8 = Number(cs.Int8ul)
U16 = Number(cs.Int16ul)
U32 = Number(cs.Int32ul)
U56 = Number(cs.BytesInteger(7, swapped=True))
U64 = Number(cs.Int64ul)
S32 = Number(cs.Int32sl, signed=True)
S64 = Number(cs.Int64sl, signed=True)


# ---------------------------------------------------------------------------------------------------------------------
# The words of a class body.


def member(kind: Any, *, default: Any = attrs.NOTHING) -> Any:
    """A member that `kind`, a declaration of construct, reads and writes."""
    return attrs.field(default=default, metadata={KIND: kind})


def uint8(*, default: Any = attrs.NOTHING) -> Any:
    """An unsigned byte."""
    return member(U8, default=default)


def uint16(*, default: Any = attrs.NOTHING) -> Any:
    """An unsigned integer of 2 bytes."""
    return member(U16, default=default)


def uint32(*, default: Any = attrs.NOTHING) -> Any:
    """An unsigned integer of 4 bytes."""
    return member(U32, default=default)


def uint64(*, default: Any = attrs.NOTHING) -> Any:
    """An unsigned integer of 8 bytes."""
    return member(U64, default=default)


def int32(*, default: Any = attrs.NOTHING) -> Any:
    """A signed integer of 4 bytes."""
    return member(S32, default=default)


def int64(*, default: Any = attrs.NOTHING) -> Any:
    """A signed integer of 8 bytes."""
    return member(S64, default=default)


def raw(size: int, *, default: Any = attrs.NOTHING) -> Any:
    """`size` bytes."""
    return member(Raw(size), default=default)


def padding(size: int, *, default: bytes) -> Any:
    """`size` bytes that mean nothing, zero where nobody says otherwise; they are kept, but not shown."""
    return attrs.field(default=default, repr=False, metadata={KIND: Raw(size)})


def named(names: type[enum.IntEnum] | type[enum.IntFlag], kind: Any, *, default: Any = attrs.NOTHING) -> Any:
    """A number `kind` with names."""
    return member(Named(kind, names), default=default)


def part(cls: type[Structure], *, default: Any = attrs.NOTHING) -> Any:
    """Another structure."""
    return member(cls.layout, default=default)


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(member, uint8, uint16, uint32, uint64, int32, int64, raw, padding, named, part),
)
def structure(cls: type[T]) -> type[T]:
    """Make a class body of words the class of a structure."""
    made: Any = attrs.frozen(kw_only=True)(cls)
    members = [field.name / field.metadata[KIND] for field in attrs.fields(made) if KIND in field.metadata]
    made.layout = Part(made, cs.Struct(*members))
    return made  # type: ignore[no-any-return]


class Structure:
    """The base of all structures.

    One of fixed size needs nothing but its words. One that ends in an array of any length declares what stands in front
    of it, and says itself how it is read and written.
    """

    __slots__ = ()
    layout: ClassVar[Any]
    """The declaration in construct: of all of it, or of what stands in front of the array."""

    @classmethod
    def size(cls) -> int:
        """Its bytes, as C's sizeof counts them: an array of any length at its end counts for nothing."""
        return int(cls.layout.sizeof())

    @classmethod
    def sizes(cls) -> str:
        """How long it can be, in words."""
        return f"{cls.size()} bytes"

    @classmethod
    def fits(cls, size: int) -> bool:
        """Whether it can be that long."""
        return size == cls.size()

    @classmethod
    def decode(cls, data: Octets, offset: int = 0) -> Self:
        """Read the structure that begins at `offset`; what stands behind it does not matter.

        Raises `TruncatedError` where the data ends too early, `DecodeError` for a value that has no meaning.
        """
        view = octets(data)
        return cls._parsed(cls.layout, view, offset)  # type: ignore[no-any-return]

    @classmethod
    def decode_whole(cls, data: Octets, offset: int, size: int) -> Self:
        """Read a structure that takes all of `size` bytes from `offset` on, which it `fits`."""
        return cls.decode(octets(data)[: offset + size], offset)

    def encode(self, *, offset: int = 0) -> bytes:
        """Write it. `offset` is where its bytes are going to stand: an error counts from there.

        Raises `EncodeError` for a value that its member cannot hold.
        """
        return self._built(self.layout, self, offset)

    @classmethod
    def _parsed(cls, layout: Any, view: memoryview, offset: int) -> Any:
        size = layout.sizeof()
        if offset < 0 or offset + size > len(view):
            raise truncated(cls.__name__, view, offset, size)
        return layout.parse(view[offset : offset + size], base=offset)

    @classmethod
    def _built(cls, layout: Any, value: Any, offset: int) -> bytes:
        return bytes(layout.build(value, base=offset))


def kept(check: Callable[[Any], bool], expected: str) -> Any:
    """A validator of attrs: what `check` says no to is an `EncodeError`."""

    def validate(owner: Any, attribute: Any, value: Any) -> None:
        if not check(value):
            raise EncodeError(
                "the value does not fit",
                path=f"{type(owner).__name__}.{attribute.name}",
                expected=expected,
                found=repr(value),
            )

    return validate
