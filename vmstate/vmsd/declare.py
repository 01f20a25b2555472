"""The declaration of a device as a class: the class body is the wire.

`@description(...)` turns a class body of `attribute: type = word(...)` lines into the class of its states and hangs its
`VMStateDescription` on it as `vmsd`. The words are those of QEMU's VMSTATE_* macros; what each takes is in
`WordOptions`, and

  value=     a kind of int, bytes or text that names what is in the value: a Flag, a MAC address

for a scalar or a buffer. To a type checker a word gives what a state has: `uint8()` an int, `array(uint8, 4)` a list of
them. At run time it gives a `Declared`, of which `@description` makes a field.

Whether QEMU's own field is a pointer, or allocated at load, is not on the wire and so is not said here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform, overload

from vmstate.errors import DescriptionError
from vmstate.vmsd import types as t
from vmstate.vmsd.description import (
    Field,
    Hook,
    MigrationPriority,
    Pointers,
    Secret,
    Subsection,
    VMStateDescription,
)
from vmstate.vmsd.expr import Expr, Fact, as_expr, fact
from vmstate.vmsd.record import ATTRIBUTE, Feature, Noise, Record, VirtIORecord, check_noise, record_of
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import KNOWN_SINCE, Rule
from vmstate.vmsd.state import WORDS_MADE, ClassBodyWord, StateClass, VMState

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
V = TypeVar("V")


if TYPE_CHECKING:
    from typing import Protocol, Unpack

    from vmstate.vmsd.options import InfoOptions, WordOptions
    from vmstate.vmsd.phase import SavePhase

    Declaration = type[T] | VMStateDescription[T]

    class Word(Protocol[T_co]):
        """A word without arguments of its own: `uint16()` in a class body, `uint16` as an element."""

        __name__: str

        @overload
        def __call__(self, **options: Unpack[InfoOptions]) -> T_co: ...
        @overload
        def __call__(self, *, value: Callable[[Any], V], **options: Unpack[InfoOptions]) -> V: ...

    class Makes(Protocol[T_co]):
        """A word that can stand without its parentheses."""

        def __call__(self, **options: Unpack[WordOptions]) -> T_co: ...

    Element = Word[T] | Makes[T] | type[T] | VMStateDescription[T]


REGISTERS: tuple[Secret, ...] = ()
"""`private=` of bytes that are a device's registers, and stay in what is given to strangers."""

CONTENTS = (Secret("contents"),)
"""`private=` of numbers that hold what a guest stored, sent or typed."""

MACS = (Secret("mac"),)
"""`private=` of MAC addresses, 6 bytes each."""

UUID = (Secret("uuid"),)
"""`private=` of a UUID of 16 bytes."""


def secret(kind: str, first: int, count: int) -> tuple[Secret, ...]:
    """`private=` of `count` elements from number `first` on the wire on; several are added."""
    return (Secret(kind, first, count),)


class Declared(ClassBodyWord):
    """What a word of the vocabulary yields inside a class body: a field without its attribute yet."""

    __slots__ = ("field", "made_at", "subsection", "taken")

    def __init__(self, field: dict[str, Any] | None, subsection: tuple[Any, Expr | None] | None) -> None:
        self.field = field
        self.subsection = subsection
        self.taken = False
        self.made_at: tuple[CodeType, int] | None = None
        frame = sys._getframe(1)
        # The body of the class in which the word stands: it has a __qualname__ among its locals. A name that is
        # assigned twice there would vanish without a trace; so every declaration is noted as it is made.
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back  # type: ignore[assignment]
        if frame is not None and frame.f_code.co_flags & 0x1 == 0 and "__qualname__" in (names := frame.f_locals):
            self.made_at = (frame.f_code, frame.f_lasti)
            names.setdefault(WORDS_MADE, []).append(self)

    @property
    def in_state(self) -> bool:
        return self.field is None or self.field["type"].in_state

    @property
    def text(self) -> str:
        """The line of source that it stands on; empty where that is not at hand."""
        if self.made_at is None:
            return ""
        import linecache

        code, at = self.made_at
        line = next((line for start, stop, line in code.co_lines() if start <= at < stop), None)
        return linecache.getline(code.co_filename, line).strip() if line else ""


def _word(
    wire_type: t.WireType,
    *,
    name: str | None = None,
    version: int = 0,
    exists: Expr | None = None,
    rules: tuple[Rule, ...] = (),
    err_hint: str | None = None,
    doc: str | None = None,
    default: Any = None,
    **shape: Any,
) -> T:  # type: ignore[type-var]
    # A class body declares an attribute of the type that states have there: so a word says that it gives such a value.
    return Declared(  # type: ignore[return-value]
        {
            "type": wire_type,
            "name": name,
            "version": version,
            "exists": exists,
            "rules": tuple(rules),
            "err_hint": err_hint,
            "doc": doc,
            "default": default,
            **shape,
        },
        None,
    )


def _vmsd(declared: Any) -> VMStateDescription:
    """The description of a decorated class, or a description itself."""
    vmsd = getattr(declared, "vmsd", declared)
    if not isinstance(vmsd, VMStateDescription):
        raise DescriptionError(f"{declared!r} is neither a description nor a class with one")
    return vmsd


def _element(word: Any) -> t.WireType:
    """The wire type of an element: of a word (`uint16` or `uint16()`), a class, or a description."""
    if isinstance(word, t.WireType):
        return word
    if isinstance(word, VMStateDescription) or hasattr(word, "vmsd"):
        return t.Struct("struct", _vmsd(word))
    made = word() if callable(word) else word
    if not isinstance(made, Declared) or made.field is None:
        raise DescriptionError(f"{word!r} is no element: a word such as uint16, or a decorated class, is")
    made.taken = True
    element: t.WireType = made.field["type"]
    return element


def _scalar(kind: t.Scalar) -> Word[Any]:
    def word(*, info: str | None = None, **options: Any) -> Any:
        # `info`: the name of the hand-written get and put that read and write nothing but this number.
        named = kind if info is None else t.Scalar(info, kind.code, kind.size, kind.order, kind.rule)
        return _word(named, **options)

    word.__name__ = re.sub(r"\W", "_", kind.info)
    word.__doc__ = f"{kind.info}: {kind.size} byte{'' if kind.size == 1 else 's'}, big-endian."
    return word


boolean: Word[bool] = _scalar(t.BOOL)
int8: Word[int] = _scalar(t.INT8)
int16: Word[int] = _scalar(t.INT16)
int32: Word[int] = _scalar(t.INT32)
int64: Word[int] = _scalar(t.INT64)
uint8: Word[int] = _scalar(t.UINT8)
uint16: Word[int] = _scalar(t.UINT16)
uint32: Word[int] = _scalar(t.UINT32)
uint64: Word[int] = _scalar(t.UINT64)
uint8_equal: Word[int] = _scalar(t.UINT8_EQUAL)
uint16_equal: Word[int] = _scalar(t.UINT16_EQUAL)
uint32_equal: Word[int] = _scalar(t.UINT32_EQUAL)
uint64_equal: Word[int] = _scalar(t.UINT64_EQUAL)
int32_equal: Word[int] = _scalar(t.INT32_EQUAL)
int32_le: Word[int] = _scalar(t.INT32_LE)
int32_positive_le: Word[int] = int32_le
timer: Word[int] = _scalar(t.TIMER)
cpudouble: Word[int] = _scalar(t.CPUDOUBLE)
uint16_little: Word[int] = _scalar(t.Scalar("uint16", "H", 2, "<"))
uint32_little: Word[int] = _scalar(t.Scalar("uint32", "I", 4, "<"))
uint64_little: Word[int] = _scalar(t.Scalar("uint64", "Q", 8, "<"))
uint64_words: Word[int] = _scalar(t.UINT64_WORDS)
uint16_host: Word[int] = _scalar(t.Scalar("uint16", "H", 2, "host"))
uint32_host: Word[int] = _scalar(t.Scalar("uint32", "I", 4, "host"))
uint64_host: Word[int] = _scalar(t.Scalar("uint64", "Q", 8, "host"))
uint16_device: Word[int] = _scalar(t.Scalar("uint16", "H", 2, "device"))
uint32_device: Word[int] = _scalar(t.Scalar("uint32", "I", 4, "device"))
uint64_device: Word[int] = _scalar(t.Scalar("uint64", "Q", 8, "device"))

TARGET_LONG_SIZE = fact("target_long_size", (8, 4))
"""Bytes of the target's long: 8, or 4 for the 32-bit targets."""


def uinttl(**options: Unpack[WordOptions]) -> int:
    """UINTTL: an unsigned integer as long as the target's registers (fact `target_long_size`)."""
    return _word(t.Choice("uint64", TARGET_LONG_SIZE, ((8, t.UINT64), (4, t.UINT32))), **options)


def fd(**options: Unpack[WordOptions]) -> int:
    """FD: the service byte of a descriptor that goes beside the stream, or its number under CPR exec."""
    return _word(t.FD, **options)


@overload
def buffer(size: int | Expr, *, info: str = ..., **options: Unpack[WordOptions]) -> bytes: ...
@overload
def buffer(size: int | Expr, *, info: str = ..., value: Callable[[Any], V], **options: Unpack[WordOptions]) -> V: ...
def buffer(size: int | Expr, *, info: str = "buffer", **options: Any) -> Any:
    """BUFFER, STATIC_BUFFER, PARTIAL_BUFFER, BUFFER_START_MIDDLE, BUFFER_UNSAFE: `size` bytes."""
    return _word(t.Buffer(info, size), **options)


@overload
def vbuffer(size: int | Expr, *, multiply: int = ..., **options: Unpack[WordOptions]) -> bytes: ...
@overload
def vbuffer(
    size: int | Expr, *, multiply: int = ..., value: Callable[[Any], V], **options: Unpack[WordOptions]
) -> V: ...
def vbuffer(size: int | Expr, *, multiply: int = 1, **options: Any) -> Any:
    """VBUFFER and its relatives: as many bytes as an expression says, times `multiply`."""
    return _word(t.Buffer("buffer", size if multiply == 1 else as_expr(size) * multiply), **options)


@overload
def text(size: int | Expr, **options: Unpack[WordOptions]) -> str: ...
@overload
def text(size: int | Expr, *, value: Callable[[Any], V], **options: Unpack[WordOptions]) -> V: ...
def text(size: int | Expr, **options: Any) -> Any:
    """A BUFFER or VBUFFER that holds text."""
    return _word(t.Text("buffer", size), **options)


def unused(size: int | Expr, **options: Unpack[WordOptions]) -> Any:
    """UNUSED: bytes skipped at load and written as zeros. The attribute is no part of the state."""
    options.setdefault("name", "unused")
    return _word(t.Unused("unused_buffer", size), **options)


def unused_varray(size: int, *, count: int | Expr, **options: Unpack[WordOptions]) -> Any:
    """UNUSED_VARRAY_UINT32: `count` times `size` bytes skipped."""
    options.setdefault("name", "unused")
    return _word(t.Unused("unused_buffer", size), count=count, **options)


def bitmap(bits: int | Expr, **options: Unpack[WordOptions]) -> int:
    """BITMAP: `bits` bits in 64-bit words."""
    return _word(t.Bitmap("bitmap", bits), **options)


def counted_string(*, info: str = "buffer", **options: Unpack[WordOptions]) -> str:
    """Text behind its length in one byte."""
    return _word(t.CountedString(info), **options)


def chunks(*, limit: int = 1 << 20, info: str = "buffer", **options: Unpack[WordOptions]) -> list[bytes]:
    """Pieces of bytes of at most `limit`, each behind its length (be32), ended by a length of zero."""
    return _word(t.Chunks(info, limit), **options)


@overload
def array(element: Element[T], count: int, /, **options: Unpack[WordOptions]) -> list[T]: ...
@overload
def array(element: T, count: int, /, **options: Unpack[WordOptions]) -> list[T]: ...
@overload
def array(element: Element[T], count: int, second: int, /, **options: Unpack[WordOptions]) -> list[list[T]]: ...
@overload
def array(element: T, count: int, second: int, /, **options: Unpack[WordOptions]) -> list[list[T]]: ...
@overload
def array(
    element: Element[T],
    count: int,
    second: int,
    third: int,
    /,
    *more: int,
    **options: Unpack[WordOptions],
) -> list[Any]: ...
@overload
def array(
    element: T, count: int, second: int, third: int, /, *more: int, **options: Unpack[WordOptions]
) -> list[Any]: ...
def array(element: Any, count: int, *more: int, **options: Any) -> Any:
    """ARRAY, STRUCT_ARRAY, VARRAY_KNOWN; with more than one count 2DARRAY: rows of elements."""
    total = count
    for dimension in more:
        total *= dimension
    return _word(_element(element), count=total, dims=(count, *more) if more else None, **options)


@overload
def sub_array(element: Element[T], start: int, count: int | Expr, **options: Unpack[WordOptions]) -> list[T]: ...
@overload
def sub_array(element: T, start: int, count: int | Expr, **options: Unpack[WordOptions]) -> list[T]: ...
def sub_array(element: Any, start: int, count: int | Expr, **options: Any) -> Any:
    """SUB_ARRAY: `count` elements, the first of which is number `start` of QEMU's array."""
    return _word(_element(element), count=count, start=start, **options)


@overload
def varray(
    element: Element[T],
    *,
    count: int | Expr,
    multiply: int = ...,
    **options: Unpack[WordOptions],
) -> list[T]: ...
@overload
def varray(element: T, *, count: int | Expr, multiply: int = ..., **options: Unpack[WordOptions]) -> list[T]: ...
def varray(element: Any, *, count: int | Expr, multiply: int = 1, **options: Any) -> Any:
    """VARRAY: as many elements as an expression says, times `multiply`."""
    return _word(_element(element), count=count if multiply == 1 else as_expr(count) * multiply, **options)


def struct(declared: Declaration[T], **options: Unpack[WordOptions]) -> T:
    """STRUCT, STRUCT_POINTER: the fields of another class, read at its own version_id."""
    return _word(t.Struct("struct", _vmsd(declared)), **options)


def vstruct(declared: Declaration[T], struct_version: int, **options: Unpack[WordOptions]) -> T:
    """VSTRUCT: the fields of another class, read at the version given here."""
    return _word(t.Struct("vstruct", _vmsd(declared), struct_version), **options)


@overload
def array_of_pointer(
    element: Element[T],
    count: int | Expr,
    *,
    marked: bool = ...,
    nulls: Fact | None = ...,
    **options: Unpack[WordOptions],
) -> list[T | None]: ...
@overload
def array_of_pointer(
    element: T, count: int | Expr, *, marked: bool = ..., nulls: Fact | None = ..., **options: Unpack[WordOptions]
) -> list[T | None]: ...
def array_of_pointer(
    element: Any,
    count: int | Expr,
    *,
    marked: bool = False,
    nulls: Fact | None = None,
    **options: Any,
) -> Any:
    """ARRAY_OF_POINTER, ARRAY_OF_POINTER_TO_STRUCT, VARRAY_OF_POINTER: elements that can be NULL (None).

    Without `marked` a NULL is a byte 0x30 in place of the element, which bytes alone cannot tell for certain: whether
    there are any is a fact. With it (AUTO_ALLOC of QEMU 11) every element stands behind a marker, 0x30 or 0x31.
    """
    return _word(
        _element(element),
        count=count,
        pointers=Pointers.ALL_MARKED if marked else Pointers.NULL_MARKER,
        nulls=nulls,
        **options,
    )


def with_tmp(declared: Declaration[T], **options: Unpack[WordOptions]) -> T:
    """WITH_TMP: a struct made for the wire only."""
    options.setdefault("name", "tmp")
    return _word(t.WithTmp("tmp", _vmsd(declared)), **options)


def info(info_name: str, declared: Declaration[T], **options: Unpack[WordOptions]) -> T:
    """What hand-written get and put read and write, declared: opaque to vmdesc, a struct to us."""
    return _word(t.Info(info_name, _vmsd(declared)), **options)


def qtailq(declared: Declaration[T], **options: Unpack[WordOptions]) -> list[T]:
    """QTAILQ: a list of structs, read at the field's version."""
    return _word(_list_type("qtailq", declared, options.get("version", 0)), **options)


def qlist(declared: Declaration[T], **options: Unpack[WordOptions]) -> list[T]:
    """QLIST: a list of structs, read at the field's version."""
    return _word(_list_type("qlist", declared, options.get("version", 0)), **options)


def _list_type(info_name: str, declared: Any, version: int) -> t.QList:
    return t.QList(info_name, _vmsd(declared), version)


@overload
def gtree(value: Declaration[T], *, key: Declaration[V], **options: Unpack[WordOptions]) -> list[tuple[V, T]]: ...
@overload
def gtree(value: Declaration[T], **options: Unpack[WordOptions]) -> list[tuple[int, T]]: ...
def gtree(value: Any, *, key: Any = None, version: int = 0, **options: Any) -> Any:
    """GTREE, and GTREE_DIRECT_KEY without `key`: a list of (key, value)."""
    kind = t.GTree("gtree", None if key is None else _vmsd(key), _vmsd(value), version)
    return _word(kind, version=version, **options)


def keyed_list(
    declared: Declaration[T],
    *,
    key: Any = uint32,
    end: int = 0,
    mask: int = -1,
    info: str = "struct",
    **options: Unpack[WordOptions],
) -> list[T]:
    """Structs that begin with a `key`, a word; one whose bits of the `mask` are `end` ends them, and any below 0."""
    vmsd = _vmsd(declared)
    kind = t.KeyedList(info, vmsd, cast("t.Scalar", _element(key)), end, mask)
    if vmsd.is_complete:
        check_key(kind)
    return _word(kind, **options)


def check_key(kind: t.KeyedList) -> None:
    """Refuse a list whose structs do not begin with the key that ends it."""
    first = kind.vmsd.fields[0] if kind.vmsd.fields else None
    plain = first is not None and first.count is None and first.exists is None and first.version == 0
    if first is None or not plain or first.type is not kind.key or not isinstance(kind.key, t.Scalar):
        raise DescriptionError(f"the first field of {kind.vmsd.name!r} must be its key")


def one_of(on: Expr, cases: Mapping[Any, Any], *, info: str | None = None, **options: Unpack[WordOptions]) -> Any:
    """One of several elements, by the value of an expression or fact."""
    pairs = tuple((value, _element(case)) for value, case in cases.items())
    if not pairs:
        raise DescriptionError(f"{on} has nothing to choose from")
    return _word(t.Choice(info or pairs[0][1].info, on, pairs), **options)


def later(place: str) -> t.WireType:
    """A case of `one_of` whose class is imported when it is first met: "module:class"."""
    return t.Later("struct", place)


def validate(
    condition: Expr, *, name: str, version: int = 0, exists: Expr | None = None, doc: str | None = None
) -> Any:
    """VALIDATE: no bytes; the load fails where the condition does not hold. The attribute is no part of the state."""
    return _word(t.Validate("", condition), name=name, version=version, exists=exists, doc=doc)


@overload
def host(*, name: str = ..., doc: str = ...) -> Any: ...
@overload
def host(default: T, *, name: str = ..., doc: str = ...) -> T: ...
def host(default: Any = None, **options: Any) -> Any:
    """A member of the device that is not on the wire and that conditions can read."""
    return _word(t.Host("", default), default=default, **options)


def subsection(declared: Declaration[T], *, needed: Expr | None = None) -> T | None:
    """A subsection; the attribute is its state, or None where it is not sent. `needed` says when QEMU sends it."""
    return Declared(None, (declared, needed))  # type: ignore[return-value]


def rule(
    id: str,
    holds: Expr,
    text: str,
    *,
    mended: bool = False,
    since: Release | None = None,
    qemu_error: str | None = None,
    advice: str | None = None,
) -> Rule:
    """What QEMU checks at load, with a stable id and its words; `mended`: QEMU goes on with another value.

    `since` is the first release that has it (None: all have), `qemu_error` the part of the line that QEMU prints which
    is the same wherever it prints it, `advice` what to change, and on which side. Raises `VMStateError` where `since`
    is no `Release`.
    """
    if since is not None:
        Release.checked(since)
    return Rule(id, holds, text, mended, since, qemu_error, advice)


@dataclass_transform(kw_only_default=True, eq_default=True)
def description(
    name: str,
    *,
    version_id: int = 0,
    minimum_version_id: int = 0,
    needed: Expr | None = None,
    priority: MigrationPriority = MigrationPriority.UNINITIALIZED,
    early_setup: bool = False,
    phase: SavePhase | None = None,
    unmigratable: bool = False,
    rules: tuple[Rule, ...] = (),
    pre_load: Hook | None = None,
    post_load: Hook | None = None,
    pre_save: Hook | None = None,
    post_save: Hook | None = None,
    dev_unplug_pending: Hook | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare a class's VMStateDescription; the class becomes the class of its states.

    Every attribute has a default (zero, no bytes, no elements, no subsection), so that a state can be built from
    nothing. Raises `DescriptionError` for what cannot be.
    """

    def wrap(body: type[T]) -> type[T]:
        cls = _state_class(body)
        options: dict[str, Any] = {
            "name": name,
            "version_id": version_id,
            "minimum_version_id": minimum_version_id,
            "needed": needed,
            "priority": priority,
            "early_setup": early_setup,
            "phase": phase,
            "unmigratable": unmigratable,
            "rules": rules,
            "pre_load": pre_load,
            "post_load": post_load,
            "pre_save": pre_save,
            "post_save": post_save,
            "dev_unplug_pending": dev_unplug_pending,
            "state_class": cls,
            "doc": body.__doc__,
        }

        def members() -> dict[str, Any]:
            fields, subsections, cls.__vmstate_defaults__ = _collect(name, cls)
            if (record := record_of(cls)) is not None:
                check_noise(name, record.noise, (field.name for field in fields))
            return {"fields": fields, "subsections": subsections}

        if cls.__module__.startswith("vmstate."):
            # Hardly half of a device is in any stream; what is wrong with the library's own a test says.
            cls.vmsd = VMStateDescription.deferred(members, **options)
            cls.__vmstate_defaults__ = _DefaultsOnDemand(cls.vmsd)
        else:
            cls.vmsd = VMStateDescription(**options, **members())
        return cls  # type: ignore[no-any-return]

    return wrap


class _DefaultsOnDemand:
    """`__vmstate_defaults__` of a class whose description is not complete yet: asking completes it."""

    def __init__(self, vmsd: VMStateDescription) -> None:
        self._vmsd = vmsd

    def __get__(self, instance: object, owner: type[VMState]) -> dict[str, Callable[[], Any]]:
        self._vmsd.complete()
        return owner.__vmstate_defaults__


def _with_record(record: Record) -> Callable[[type[T]], type[T]]:
    def wrap(cls: type[T]) -> type[T]:
        if "vmsd" not in vars(cls):
            raise DescriptionError(f"{cls.__name__} has no description: put the decorator above @description")
        if ATTRIBUTE in cls.__vmstate_words__:  # type: ignore[attr-defined]
            raise DescriptionError(f"the attribute {ATTRIBUTE!r} is what the device says of itself: say name=")
        vmsd: VMStateDescription = cls.vmsd  # type: ignore[attr-defined]
        if vmsd.is_complete:
            check_noise(vmsd.name, record.noise, (field.name for field in vmsd.fields))
        strange = set(record.provisional) - set(cls.__vmstate_words__)  # type: ignore[attr-defined]
        if strange:
            raise DescriptionError("a provisional value of a field that is not there", found=repr(min(strange)))
        setattr(cls, ATTRIBUTE, record)
        return cls

    return wrap


def device(
    *idstrs: str,
    order: int = 0,
    noise: Noise | None = None,
    answers: Any = None,
    compares: Any = None,
    items: Any = None,
    exercise: Any = None,
    models: Any = None,
    old_style: bool = False,
    listed: bool = True,
    legacy_instances: tuple[int, ...] = (),
    target_endian: str | None = None,
    per_cpu: bool = False,
    early_copy: Any = None,
) -> Callable[[type[T]], type[T]]:
    """Say of a class with a description that it is a device, of which idstrs, and what there is to know of it.

    The fields of `Record` say what each option is. A layout of another release, made by `variant` and kept in the
    module of the class, is the device's as well; where there are several idstrs each layout is that of the idstr that
    it is called by.
    """
    return _with_record(
        Record(
            idstrs=_checked(idstrs),
            order=order,
            noise=noise or {},
            answers=answers,
            compares=compares,
            items=items,
            exercise=exercise,
            models=models,
            old_style=old_style,
            listed=listed,
            legacy_instances=legacy_instances,
            target_endian=target_endian,
            per_cpu=per_cpu,
            early_copy=early_copy,
        )
    )


def virtio_device(
    idstr: str,
    *,
    id: int,
    features: tuple[Feature, ...] = (),
    qmp_name: str | None = None,
    host: str | None = None,
    noise: Noise | None = None,
    answers: Any = None,
    items: Any = None,
    exercise: Any = None,
    models: Any = None,
    accidents: Iterable[str] = (),
    provisional: Mapping[str, Any] | None = None,
) -> Callable[[type[T]], type[T]]:
    """Say of a class with a field `virtio` that it is a virtio device: what all of them share comes with it.

    That is what they answer to x-query-virtio and its kin, what they compare when they load, and, where `host` or
    `items` is given, their items for early migration. The fields of `VirtIORecord` say what each option is; `qmp_name`
    is the idstr where it is not given.
    """
    return _with_record(
        VirtIORecord(
            idstrs=_checked((idstr,)),
            noise=noise or {},
            answers=answers,
            items=items,
            exercise=exercise,
            models=models,
            id=id,
            features=features,
            qmp_name=qmp_name or idstr,
            host=host,
            accidents=frozenset(accidents),
            provisional=provisional or {},
        )
    )


def part(*, noise: Noise | None = None, provisional: Mapping[str, Any] | None = None) -> Callable[[type[T]], type[T]]:
    """Say of a struct or subsection inside devices what of it is noise, and what it is before guest memory is there."""
    return _with_record(Record(noise=noise or {}, provisional=provisional or {}))


def undescribed(
    idstr: str,
    *,
    noise: Noise | None = None,
    old_style: bool = False,
    listed: bool = True,
    target_endian: str | None = None,
    compares: Any = None,
) -> Record:
    """The record of a section that nobody describes; kept in a module of a library, it goes into its index."""
    return Record(
        idstrs=_checked((idstr,)),
        noise=noise or {},
        old_style=old_style,
        listed=listed,
        target_endian=target_endian,
        compares=compares,
    )


def _checked(idstrs: tuple[str, ...]) -> tuple[str, ...]:
    if not idstrs or not all(isinstance(idstr, str) and idstr for idstr in idstrs):
        raise DescriptionError("a device needs the last part of the idstr of its sections")
    return idstrs


def variant(
    declared: Declaration[T],
    name: str | None = None,
    version_id: int | None = None,
    minimum: int | None = None,
    /,
    **fields: Any,
) -> VMStateDescription[T]:
    """The layout of an earlier release, or of a sibling: another name, version_id or minimum, or other fields.

    A field is given as a word, a subsection as its description, either as None where it is not on the wire there. The
    class of the state is the same, so it must have every field of either: one that only the variant has is a `host`
    member of the class.
    """
    vmsd = _vmsd(declared)
    for word in fields.values():
        if isinstance(word, Declared):
            word.taken = True

    def members() -> dict[str, Any]:
        return _varied_members(vmsd, fields)

    made = ("fields", "subsections", "unknown", "depth", "compiled")
    options = {key: getattr(vmsd, key) for key in VMStateDescription._names if key not in made}
    if name is not None and name != vmsd.name:
        # From which release on QEMU knows a subsection is told of its name.
        options.update(name=name, rules=tuple(rule for rule in vmsd.rules if rule.id != KNOWN_SINCE))
    version_id = vmsd.version_id if version_id is None else version_id
    minimum = vmsd.minimum_version_id if minimum is None else minimum
    options.update(version_id=version_id, minimum_version_id=min(version_id, minimum))
    if sys._getframe(1).f_globals.get("__name__", "").startswith("vmstate."):
        # As the classes of the library are.
        return VMStateDescription.deferred(members, **options)
    return VMStateDescription(**options, **members())


def _varied_members(vmsd: VMStateDescription, changes: dict[str, Any]) -> dict[str, Any]:
    """The fields and subsections of a description, those that change declared otherwise."""
    changes = dict(changes)
    kept: list[Field] = []
    for field in vmsd.fields:
        if field.attribute not in changes:
            kept.append(field)
        elif (word := changes.pop(field.attribute)) is not None:
            kept.append(_varied(vmsd.name, field, word))
        elif field.in_state:
            kept.append(Field(field.name, t.Host("", None), attribute=field.attribute))
    subsections: list[Subsection] = []
    for sub in vmsd.subsections:
        if sub.attribute not in changes:
            subsections.append(sub)
        elif (known_as := changes.pop(sub.attribute)) is not None:
            subsections.append(Subsection(_vmsd(known_as), sub.attribute, sub.needed))
        else:
            kept.append(Field(sub.attribute, t.Host("", None), attribute=sub.attribute))
    if changes:
        raise DescriptionError(f"no field {next(iter(changes))!r} to declare otherwise", section=repr(vmsd.name))
    return {"fields": kept, "subsections": subsections}


def _varied(name: str, field: Field, word: Declared) -> Field:
    assert word.field is not None
    shape = dict(word.field)
    shape["name"] = shape["name"] or field.attribute
    _name_nulls(name, shape)
    return Field(attribute=field.attribute, **shape)


_FIELD_OPTIONS = frozenset(Field._names)


def _name_nulls(name: str, shape: dict[str, Any]) -> None:
    """Give an array of pointers a fact of its own, whether any is NULL, where its declaration names none."""
    if shape.get("pointers") is Pointers.NULL_MARKER and shape.get("nulls") is None:
        shape["nulls"] = t.nulls_fact(f"{name}/{shape['name']}")


def _collect(name: str, body: StateClass) -> tuple[list[Field], list[Subsection], dict[str, Callable[[], Any]]]:
    namespace = vars(body)
    declared: Mapping[str, Any] = body.__vmstate_words__
    if "vmsd" in declared:
        raise DescriptionError("the attribute 'vmsd' is the description itself: say name='vmsd'", section=repr(name))
    for attribute in namespace.get("__annotations__", ()):
        if attribute not in declared and getattr(namespace.get(attribute), "__module__", None) == __name__:
            raise DescriptionError(f"{attribute!r} is a word without its parentheses", section=repr(name))
    kept = set(declared.values())
    for lost in body.__vmstate_made__:
        if not lost.taken and lost not in kept:
            written = re.match(r"\w+", lost.text)
            what = repr(written.group()) if written else "one name"
            raise DescriptionError(f"two attributes have the name {what}", section=repr(name))
    fields: list[Field] = []
    subsections: list[Subsection] = []
    defaults: dict[str, Callable[[], Any]] = {}
    for base in body.__bases__:
        if issubclass(base, VMState) and base is not VMState:
            # A class that derives from a declared one goes on where that ends.
            fields += base.vmsd.fields
            subsections += base.vmsd.subsections
            defaults.update(base.__vmstate_defaults__)
    for attribute, word in declared.items():
        if word.subsection is not None:
            vmsd = _vmsd(word.subsection[0])
            subsections.append(Subsection(vmsd, attribute, word.subsection[1]))
            defaults[attribute] = lambda: None
            continue
        assert word.field is not None
        if subsections:
            raise DescriptionError(f"field {attribute!r} comes after a subsection", section=repr(name))
        shape = dict(word.field)
        shape["name"] = shape["name"] or attribute
        kind = shape["type"]
        _name_nulls(name, shape)
        try:
            field = Field(attribute=attribute, **shape)
        except TypeError:
            known = "name, version, exists, rules, value, default, private, err_hint, doc"
            odd = ", ".join(repr(option) for option in shape if option not in _FIELD_OPTIONS)
            raise DescriptionError(f"{attribute!r} has no option {odd}", section=repr(name), expected=known) from None
        fields.append(field)
        if field.in_state:
            defaults[attribute] = _default(field, kind)
    return fields, subsections, defaults


def _default(field: Field, kind: t.WireType) -> Callable[[], Any]:
    if isinstance(field.default, (list, dict)):
        # Each state has one of its own.
        def copied() -> Any:
            from copy import deepcopy

            return deepcopy(field.default)

        return copied
    if field.default is not None or field.exists is not None or isinstance(kind, t.Host):
        return lambda: field.default
    return lambda: default_value(field)


def default_value(field: Field) -> Any:
    """The value of a field in a state built from nothing: zero, no bytes, no elements."""
    if field.default is not None:
        return field.default
    if field.value is not None and field.count is None:
        return field.value(_default_element(field.type))
    if field.count is not None:
        count = field.count if isinstance(field.count, int) else 0
        flat = [None if field.pointers else _default_element(field.type) for _ in range(count)]
        return nested(flat, field.dims)
    return _default_element(field.type)


def nested(flat: list[Any], dims: tuple[int, ...] | None) -> list[Any]:
    """A flat list of elements, split into rows."""
    for dimension in reversed((dims or ())[1:]):
        flat = [flat[start : start + dimension] for start in range(0, len(flat), dimension)]
    return flat


def _default_element(kind: t.WireType) -> Any:
    match kind:
        case t.Scalar(code="?"):
            return False
        case t.Scalar() | t.Bitmap():
            return 0
        case t.CountedString():
            return ""
        case t.Text(size=size):
            return "\0" * size if isinstance(size, int) else ""
        case t.Buffer(size=size):
            return bytes(size) if isinstance(size, int) else b""
        case t.QList() | t.GTree() | t.KeyedList() | t.Chunks():
            return []
        case t.Struct(vmsd=vmsd):
            return vmsd.state_class() if vmsd.state_class is not None else None
        case t.Later():
            return _default_element(kind.resolve())
        case t.Choice(cases=cases):
            return _default_element(cases[0][1])
    return None


def _state_class(body: type) -> Any:
    """The class of states: the body itself where it is on `VMState`, or else the same body on it."""
    if isinstance(body, StateClass):
        return body
    left_out = ("__dict__", "__weakref__")
    namespace = {key: value for key, value in vars(body).items() if key not in left_out}
    bases = tuple(base for base in body.__bases__ if base is not object)
    return StateClass(body.__name__, (*bases, VMState), namespace)
