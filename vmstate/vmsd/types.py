"""The wire types: what one element of a field is in the stream.

Each stands for what QEMU calls a VMStateInfo, or for STRUCT and its relatives. `info` is the name that QEMU's vmdesc
gives to it. Multi-byte integers are big-endian unless their order says otherwise. Facts from QEMU's
migration/vmstate-types.c and include/migration/vmstate.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmstate.lazy import imported
from vmstate.vmsd.data import Data
from vmstate.vmsd.expr import Expr, Fact, fact

if TYPE_CHECKING:
    from vmstate.vmsd.description import VMStateDescription

HOST_ENDIAN = fact("host_endian", ("little", "big"), default="little")
"""Byte order of the machine that wrote the stream, for the few words QEMU dumps as they lie in memory."""

DEVICE_ENDIAN = fact("device_endian", ("little", "big"), default="little")
"""Byte order of a virtio device: what it shows its driver in words of its own order."""

ORDERS = {"host": HOST_ENDIAN, "device": DEVICE_ENDIAN}
"""The byte orders that are a fact, by their name as the order of a scalar."""


class WireType(Data):
    """What one element of a field is on the wire."""

    info: str

    # Of the type, and so no value of each object of it.
    in_state = True
    """Whether a state has a value for it."""

    @property
    def is_plain(self) -> bool:
        """Whether it is the same wherever it stands: nothing inside it, and nothing it depends on."""
        return False

    @property
    def run_code(self) -> str:
        """Its letters in a big-endian layout of Python's struct module; "" where it has none."""
        return ""

    def children(self) -> tuple[VMStateDescription, ...]:
        """The descriptions of the structs inside, without those whose module is imported only when they are met."""
        return ()

    def structs(self) -> tuple[VMStateDescription, ...]:
        """The descriptions of all structs inside; imports what has to be."""
        return self.children()

    def expressions(self) -> tuple[Expr, ...]:
        """The expressions the layout depends on."""
        return ()


class Scalar(WireType):
    """A bool or an integer of fixed size. `code` is its letter in Python's struct module.

    `order` is ">" (big-endian), "<", or the name of a fact: "host" (the order of the machine that saved) or "device".
    "words" is for eight bytes that QEMU has as an array of two 32-bit words, the lower first, each big-endian.
    `rule` names what QEMU checks at load: "equal" (the value the destination has) or "le" (0 up to that value).
    """

    code: str
    size: int
    order: str = ">"
    rule: str | None = None

    @property
    def is_plain(self) -> bool:
        return self.order not in ORDERS

    @property
    def run_code(self) -> str:
        return self.code if self.order == ">" else ""

    @property
    def minimum(self) -> int:
        """The smallest value that fits."""
        return -(1 << self.size * 8 - 1) if self.code.islower() else 0

    @property
    def maximum(self) -> int:
        """The largest value that fits."""
        if self.code == "?":
            return 1
        return (1 << self.size * 8 - (1 if self.code.islower() else 0)) - 1

    def expressions(self) -> tuple[Expr, ...]:
        return (ORDERS[self.order],) if self.order in ORDERS else ()


class Nullptr(WireType):
    """The marker byte 0x30 that stands for a NULL in an array of pointers; the value is None.

    Its info is what a vmdesc calls it: that of the array before QEMU 10.0, then "nullptr", and from 11.1 "ptr-marker".
    """


class Buffer(WireType):
    """Bytes, as many as `size` says."""

    size: int | Expr

    @property
    def is_plain(self) -> bool:
        return isinstance(self.size, int) and self.size >= 0

    @property
    def run_code(self) -> str:
        # A large one by itself: it is not copied.
        return f"{self.size}s" if isinstance(self.size, int) and 0 < self.size < 1 << 20 else ""

    def expressions(self) -> tuple[Expr, ...]:
        return (self.size,) if isinstance(self.size, Expr) else ()


class Text(Buffer):
    """A buffer that holds text: the value is a str; bytes that are no UTF-8 are surrogates in it."""

    run_code = ""


class Unused(Buffer):
    """Bytes that QEMU skips when it loads and writes as zeros. They are no part of a state, only of its residue."""

    in_state = False

    @property
    def run_code(self) -> str:
        return f"{self.size}x" if isinstance(self.size, int) else ""


class Opaque(Buffer):
    """The bytes of an info whose inside is not known. The size is the one that was seen, and may be another."""

    run_code = ""


class Bitmap(WireType):
    """A bitmap of `bits` bits: 64-bit words, each big-endian, bit 0 the lowest of the first. The value is an int."""

    bits: int | Expr

    def expressions(self) -> tuple[Expr, ...]:
        return (self.bits,) if isinstance(self.bits, Expr) else ()


class CountedString(WireType):
    """Text behind its length in one byte. The value is a str; bytes that are no UTF-8 are surrogates in it."""


class Chunks(WireType):
    """Pieces of bytes, each behind its length (be32), ended by a length of zero. The value is a list of bytes."""

    limit: int


class Struct(WireType):
    """Another description's fields and subsections, with no header of its own.

    `version` is the version it is read and written at (VSTRUCT); None stands for its own version_id (STRUCT).
    """

    vmsd: VMStateDescription
    version: int | None = None

    def children(self) -> tuple[VMStateDescription, ...]:
        return (self.vmsd,)


class WithTmp(Struct):
    """WITH_TMP: a struct made for the wire only."""


class Info(Struct):
    """What hand-written get and put of QEMU read and write: one opaque field for vmdesc, a struct for us."""


class QList(Struct):
    """QTAILQ and QLIST: each element behind a byte that is not 0, ended by a byte 0. The value is a list.

    `version` is the field's, at which the elements are read.
    """


class GTree(WireType):
    """A GTree: be32 count, each node a byte that is not 0, key and value; ended by a byte 0.

    A direct key (`key` None) is a be64. The value is a list of (key, value) in the order of the stream.
    """

    key: VMStateDescription | None
    value: VMStateDescription
    version: int

    def children(self) -> tuple[VMStateDescription, ...]:
        return (self.value,) if self.key is None else (self.key, self.value)


class KeyedList(WireType):
    """Structs, each beginning with a key, its first field; one key ends the list, with nothing behind it.

    It ends it where its bits of the `mask` are `end`; where that is zero, every key below zero does, too.
    """

    vmsd: VMStateDescription
    key: Scalar
    end: int = 0
    mask: int = -1

    def is_end(self, key: int) -> bool:
        """Whether a key ends the list."""
        return key & self.mask == self.end if self.end else key <= 0

    def children(self) -> tuple[VMStateDescription, ...]:
        return (self.vmsd,)


class Later(WireType):
    """A struct among the cases of a choice whose module is imported when the case is met: "module:class"."""

    place: str

    def resolve(self) -> Struct:
        """The struct itself."""
        return Struct("struct", imported(self.place).vmsd)

    def structs(self) -> tuple[VMStateDescription, ...]:
        return self.resolve().children()


class Choice(WireType):
    """One of several types, by the value of an expression or fact."""

    on: Expr
    cases: tuple[tuple[Any, WireType], ...]

    def children(self) -> tuple[VMStateDescription, ...]:
        return tuple(child for _, case in self.cases for child in case.children())

    def structs(self) -> tuple[VMStateDescription, ...]:
        return tuple(vmsd for _, case in self.cases for vmsd in case.structs())

    def expressions(self) -> tuple[Expr, ...]:
        return (self.on, *(expr for _, case in self.cases for expr in case.expressions()))


class Validate(WireType):
    """VALIDATE: no bytes; the load fails where the condition does not hold."""

    condition: Expr
    in_state = False

    def expressions(self) -> tuple[Expr, ...]:
        return (self.condition,)


class Host(WireType):
    """A member of the device that is not on the wire but that conditions can read."""

    default: Any


BOOL = Scalar("bool", "?", 1)
INT8 = Scalar("int8", "b", 1)
INT16 = Scalar("int16", "h", 2)
INT32 = Scalar("int32", "i", 4)
INT64 = Scalar("int64", "q", 8)
UINT8 = Scalar("uint8", "B", 1)
UINT16 = Scalar("uint16", "H", 2)
UINT32 = Scalar("uint32", "I", 4)
UINT64 = Scalar("uint64", "Q", 8)
UINT8_EQUAL = Scalar("uint8 equal", "B", 1, rule="equal")
UINT16_EQUAL = Scalar("uint16 equal", "H", 2, rule="equal")
UINT32_EQUAL = Scalar("uint32 equal", "I", 4, rule="equal")
# QEMU's name for it really is "int64 equal".
UINT64_EQUAL = Scalar("int64 equal", "Q", 8, rule="equal")
INT32_EQUAL = Scalar("int32 equal", "i", 4, rule="equal")
INT32_LE = Scalar("int32 le", "i", 4, rule="le")
UINT64_WORDS = Scalar("uint32", "Q", 8, "words")
# The nanoseconds at which a timer expires; -1: it is not armed.
TIMER = Scalar("timer", "q", 8)
# The 64 bits of a double, upper half first: kept as bits, since a NaN must come back as it was.
CPUDOUBLE = Scalar("CPU_Double_U", "Q", 8)
NULLPTR = Nullptr("nullptr")
PTR_MARKER = Nullptr("ptr-marker")
CPR_EXEC = fact("cpr_exec", (False, True), default=False)
"""Whether the stream is of a CPR exec migration, in which a descriptor is its number."""
# A descriptor goes beside the stream (SCM_RIGHTS); in the stream stands a service byte, a blank.
FD = Choice("fd", CPR_EXEC, ((False, UINT8), (True, INT32)))

SCALARS = {
    kind.info: kind
    for kind in (
        BOOL,
        INT8,
        INT16,
        INT32,
        INT64,
        UINT8,
        UINT16,
        UINT32,
        UINT64,
        UINT8_EQUAL,
        UINT16_EQUAL,
        UINT32_EQUAL,
        UINT64_EQUAL,
        INT32_EQUAL,
        INT32_LE,
        TIMER,
        CPUDOUBLE,
    )
}
"""The scalar types by the name QEMU's vmdesc gives them."""

NULLS_NEVER = "never"
NULLS_MARKED = "marked"


def nulls_fact(name: str) -> Fact:
    """Whether an array of pointers holds NULLs: only the host knows which, the wire only how they look."""
    return fact(f"nulls of {name}", (NULLS_NEVER, NULLS_MARKED))
