"""How a structure of the host's ABI is declared: a class body of words, read as the C structure it is.

    @structure
    class VringState(Structure):
        index: int = uint32()
        num: int = uint32()

makes a frozen attrs class with keyword construction. Its `layout` is a declaration in construct of the same bytes.
Numbers are in the byte order of the host, which here is little-endian always. Padding that a C compiler inserts is
written out, and is kept, so that `encode(decode(data)) == data` for all data that decodes.

Every failure is a `DecodeError` or an `EncodeError` with the offset in the buffer, what was expected there and what was
found.
"""

from __future__ import annotations

import enum
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform, overload
from uuid import UUID

import attrs
import construct as cs

from vmstate.errors import DecodeError, EncodeError, TruncatedError

T = TypeVar("T")
Octets = bytes | bytearray | memoryview
"""What is read from: anything that holds bytes."""
Names = type[enum.IntEnum] | type[enum.IntFlag]
Count = int | Callable[[Any], int]
"""How many: a number, or an expression of construct (`this.num`)."""

KIND = "construct"
"""The key of a member's metadata under which its declaration stands."""


def octets(data: Octets) -> memoryview:
    """The bytes of a buffer, one by one, whatever its elements are."""
    view = memoryview(data)
    return view if view.format == "B" and view.contiguous else memoryview(view.tobytes())


# ---------------------------------------------------------------------------------------------------------------------
# What construct reads from and writes to. Positions are those in the whole buffer, not in the structure.


class Window:
    """The bytes of a buffer from an offset on."""

    def __init__(self, data: Octets, offset: int) -> None:
        if offset < 0:
            raise DecodeError("nothing begins there", offset=offset, expected="0 or more", found=f"{offset}")
        self.view = octets(data)
        self.position = offset

    def tell(self) -> int:
        """Where the next byte is read."""
        return self.position

    def need(self, size: int, what: str) -> None:
        """Raise `TruncatedError` unless `size` more bytes are there for `what`."""
        left = max(0, len(self.view) - self.position)
        if size > left:
            raise TruncatedError(
                f"the data ends inside {what}",
                needed=self.position + size,
                offset=self.position,
                expected=f"{size} bytes",
                found=f"{left}",
            )

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left."""
        end = len(self.view) if size < 0 else self.position + size
        taken = bytes(self.view[self.position : end])
        self.position += len(taken)
        return taken


class Sink(io.BytesIO):
    """What is written, to stand at an offset of a larger buffer."""

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset

    def tell(self) -> int:
        """Where the next byte will stand."""
        return self.offset + super().tell()


# ---------------------------------------------------------------------------------------------------------------------
# Declarations of construct that fail as this library does.


def _dotted(path: str) -> str:
    """construct's "(building) -> regions -> [1] -> size" as "regions[1].size"."""
    return ".".join(path.split(" -> ")[1:]).replace(".[", "[")


def misfit(value: object, expected: str, offset: int, path: str) -> EncodeError:
    """The error of a value that cannot be written."""
    shown = repr(value) if len(repr(value)) < 80 else f"a {type(value).__name__}"
    return EncodeError("the value does not fit", path=_dotted(path), offset=offset, expected=expected, found=shown)


def known(count: Count, context: Any) -> int:
    """How many before anything is read. An array whose length the data says counts for nothing, as in C's sizeof."""
    try:
        return int(cs.evaluate(count, context))
    except (AttributeError, KeyError):
        return 0


class Number(cs.Subconstruct):  # type: ignore[misc]
    """An integer of fixed size."""

    def __init__(self, subcon: Any, *, signed: bool = False) -> None:
        super().__init__(subcon)
        bits = subcon.sizeof() * 8
        self.minimum = -(1 << bits - 1) if signed else 0
        self.maximum = (1 << bits - signed) - 1

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, int) or not self.minimum <= obj <= self.maximum:
            raise misfit(obj, f"a number from {self.minimum} to {self.maximum}", stream.tell(), path)
        return self.subcon._build(int(obj), stream, context, path)


class Named(cs.Subconstruct):  # type: ignore[misc]
    """A number with names: any value of a Flag (bits without a name are kept), only the members of an Enum."""

    def __init__(self, subcon: Any, names: Names) -> None:
        super().__init__(subcon)
        self.names = names

    def _expected(self) -> str:
        return "one of " + ", ".join(f"{member.value} ({member.name})" for member in self.names)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        offset = stream.tell()
        value = self.subcon._parse(stream, context, path)
        try:
            return self.names(value)
        except ValueError:
            raise DecodeError(
                f"no {self.names.__name__}",
                path=_dotted(path),
                offset=offset,
                expected=self._expected(),
                found=str(value),
            ) from None

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if issubclass(self.names, enum.IntEnum) and obj not in list(self.names):
            raise misfit(obj, self._expected(), stream.tell(), path)
        return self.subcon._build(obj, stream, context, path)


class Raw(cs.Construct):  # type: ignore[misc]
    """Bytes, as many as are said."""

    def __init__(self, count: Count) -> None:
        super().__init__()
        self.count = count

    def _parse(self, stream: Any, context: Any, path: str) -> bytes:
        size = cs.evaluate(self.count, context)
        if isinstance(stream, Window):
            stream.need(size, _dotted(path))
        return bytes(cs.stream_read(stream, size, path))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        size = cs.evaluate(self.count, context)
        if not isinstance(obj, bytes) or len(obj) != size:
            raise misfit(obj, f"{size} bytes" if isinstance(obj, bytes) else "bytes", stream.tell(), path)
        stream.write(obj)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return known(self.count, context)


class Rest(cs.Construct):  # type: ignore[misc]
    """Bytes up to the end of the data."""

    def _parse(self, stream: Any, context: Any, path: str) -> bytes:
        return bytes(stream.read())

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, bytes):
            raise misfit(obj, "bytes", stream.tell(), path)
        stream.write(obj)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return 0


class Uuid(cs.Subconstruct):  # type: ignore[misc]
    """A UUID whose first three parts are big-endian."""

    def __init__(self) -> None:
        super().__init__(Raw(16))

    def _parse(self, stream: Any, context: Any, path: str) -> UUID:
        return UUID(bytes=self.subcon._parse(stream, context, path))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, UUID):
            raise misfit(obj, "a UUID", stream.tell(), path)
        return self.subcon._build(obj.bytes, stream, context, path)


class Row(cs.Subconstruct):  # type: ignore[misc]
    """Elements one behind the other, as many as are said, as a tuple. An error has the number of its element."""

    def __init__(self, subcon: Any, count: Count) -> None:
        super().__init__(subcon)
        self.count = count

    def _parse(self, stream: Any, context: Any, path: str) -> tuple[Any, ...]:
        count = cs.evaluate(self.count, context)
        if isinstance(stream, Window):
            stream.need(count * self.subcon.sizeof(), _dotted(path))
        return tuple(self.subcon._parse(stream, context, f"{path} -> [{index}]") for index in range(count))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        count = cs.evaluate(self.count, context)
        if not isinstance(obj, Sequence) or len(obj) != count:
            expected = f"{count} elements" if isinstance(obj, Sequence) else "a tuple"
            raise misfit(obj, expected, stream.tell(), path)
        for index, element in enumerate(obj):
            self.subcon._build(element, stream, context, f"{path} -> [{index}]")
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return known(self.count, context) * int(self.subcon.sizeof())


class OneOf(cs.Construct):  # type: ignore[misc]
    """A union of structures of equal size; an expression of construct says which of them it is."""

    def __init__(self, on: Callable[[Any], int], cases: dict[int, Any], default: Any) -> None:
        super().__init__()
        self.on = on
        self.cases = cases
        self.default = default

    def _case(self, context: Any) -> Any:
        return self.cases.get(cs.evaluate(self.on, context), self.default)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return self._case(context)._parse(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return self._case(context)._build(obj, stream, context, path)

    def _sizeof(self, context: Any, path: str) -> int:
        return int(self.default.sizeof())


class Part(cs.Subconstruct):  # type: ignore[misc]
    """A structure as an object of its class."""

    def __init__(self, cls: type[Any], members: dict[str, Any]) -> None:
        super().__init__(cs.Struct(*(name / kind for name, kind in members.items())))
        self.cls = cls
        self.members = members
        self.names = [name for name, kind in members.items() if not isinstance(kind, cs.Rebuild)]

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        values = self.subcon._parse(stream, context, path)
        return self.cls(**{name: values[name] for name in self.names})

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if type(obj) is not self.cls:
            raise misfit(obj, f"an object of {self.cls.__name__}", stream.tell(), path)
        return self.subcon._build({name: getattr(obj, name) for name in self.names}, stream, context, path)


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
    """An unsigned integer of 2 bytes, little-endian."""
    return member(U16, default=default)


def uint32(*, default: Any = attrs.NOTHING) -> Any:
    """An unsigned integer of 4 bytes, little-endian."""
    return member(U32, default=default)


def uint64(*, default: Any = attrs.NOTHING) -> Any:
    """An unsigned integer of 8 bytes, little-endian."""
    return member(U64, default=default)


def int32(*, default: Any = attrs.NOTHING) -> Any:
    """A signed integer of 4 bytes, little-endian."""
    return member(S32, default=default)


def int64(*, default: Any = attrs.NOTHING) -> Any:
    """A signed integer of 8 bytes, little-endian."""
    return member(S64, default=default)


def named(names: Names, kind: Any, *, default: Any = attrs.NOTHING) -> Any:
    """A number `kind` with names."""
    return member(Named(kind, names), default=default)


def raw(count: Count, *, default: Any = attrs.NOTHING) -> Any:
    """`count` bytes, as they are."""
    return member(Raw(count), default=default)


def unused(size: int, *, default: bytes) -> Any:
    """`size` bytes that mean nothing. They are kept, but not shown."""
    return attrs.field(default=default, repr=False, metadata={KIND: Raw(size)})


def array(element: Any, count: Count, *, default: Any = attrs.NOTHING) -> Any:
    """A tuple of elements; an element is a declaration of construct or another structure."""
    return member(Row(getattr(element, "layout", element), count), default=default)


def part(cls: type[Layout], *, default: Any = attrs.NOTHING) -> Any:
    """Another structure."""
    return member(cls.layout, default=default)


class LengthOf:
    """A member that says how many elements or bytes another one has; it is no part of the constructor."""

    def __init__(self, name: str, kind: Any) -> None:
        self.name = name
        self.kind = cs.Rebuild(kind, self._counted)

    def _counted(self, context: Any) -> int:
        # What has no length is refused where it is to be written.
        value = context[self.name]
        return len(value) if isinstance(value, Sequence) else 0

    @overload
    def __get__(self, owner: None, cls: Any) -> LengthOf: ...

    @overload
    def __get__(self, owner: object, cls: Any) -> int: ...

    def __get__(self, owner: object | None, cls: Any) -> LengthOf | int:
        return self if owner is None else len(getattr(owner, self.name))


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(member, uint8, uint16, uint32, uint64, int32, int64, named, raw, unused, array, part),
)
def structure(cls: type[T]) -> type[T]:
    """Make a class body of words the class of a structure."""
    # The order of the body, which is that of the bytes: attrs does not know of the lengths.
    annotations = vars(cls).get("__annotations__", {})
    order = [name for name, value in vars(cls).items() if isinstance(value, LengthOf) or name in annotations]
    made: Any = attrs.frozen(kw_only=True)(cls)
    made.layout = Part(made, dict(_members(made, order)))
    return made  # type: ignore[no-any-return]


def _members(made: Any, order: Sequence[str]) -> Iterator[tuple[str, Any]]:
    inherited = getattr(made, "layout", None)
    if inherited is not None:
        yield from inherited.members.items()
    fields = attrs.fields_dict(made)
    for name in order:
        length = vars(made).get(name)
        if isinstance(length, LengthOf):
            yield name, length.kind
        elif name in fields:
            yield name, fields[name].metadata[KIND]


class Layout:
    """The base of every structure."""

    __slots__ = ()
    layout: ClassVar[Any]
    """The declaration in construct."""

    @classmethod
    def _read(cls, data: Octets, offset: int, **parameters: Any) -> Self:
        window = Window(data, offset)
        window.need(cls.layout.sizeof(**parameters), cls.__name__)
        return cls.layout.parse_stream(window, **parameters)  # type: ignore[no-any-return]

    def _written(self, offset: int, **parameters: Any) -> bytes:
        sink = Sink(offset)
        self.layout.build_stream(self, sink, **parameters)
        return sink.getvalue()


class Structure(Layout):
    """A structure that its bytes alone decide."""

    __slots__ = ()

    @classmethod
    def sizeof(cls) -> int:
        """Its bytes, as C's sizeof counts them: an array whose length the data says counts for nothing."""
        return int(cls.layout.sizeof())

    @classmethod
    def sizes(cls) -> str:
        """How long it can be, in words."""
        return f"{cls.sizeof()} bytes"

    @classmethod
    def fits(cls, data: memoryview) -> bool:
        """Whether these bytes, all of them, can be such a structure."""
        return len(data) == cls.sizeof()

    @classmethod
    def decode(cls, data: Octets, offset: int = 0) -> Self:
        """Read the structure that begins at `offset`; what stands behind it does not matter.

        Raises `TruncatedError` where the data ends too early, `DecodeError` for a value that has no meaning.
        """
        return cls._read(data, offset)

    @classmethod
    def decode_array(cls, data: Octets, offset: int, count: int) -> tuple[Self, ...]:
        """Read `count` of them that stand one behind the other."""
        window = Window(data, offset)
        row = Row(cls.layout, count)
        window.need(row.sizeof(), f"{count} of {cls.__name__}")
        return row.parse_stream(window)  # type: ignore[no-any-return]

    def encode(self, *, offset: int = 0) -> bytes:
        """Write it. `offset` is where its bytes are going to stand: an error counts from there.

        Raises `EncodeError` for a value that its member cannot hold.
        """
        return self._written(offset)
