"""`VMStateDescription`: a device's state as plain immutable data.

The names are QEMU's (include/migration/vmstate.h). A description can be written directly, come from a decorated
class, from a stream's vmdesc, or from a -dump-vmstate text.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from vmstate.errors import DescriptionError
from vmstate.vmsd.data import Data, NamedTuple, Value
from vmstate.vmsd.expr import Expr, Own, Ref
from vmstate.vmsd.rule import Rule, rules_of
from vmstate.vmsd.types import Bitmap, Buffer, Choice, GTree, Host, Scalar, Struct, Unused, Validate, WireType

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike
    from typing_extensions import TypeVar

    from vmstate.codec.codec import Codec

    S = TypeVar("S", default=Any)
else:
    from typing import TypeVar

    S = TypeVar("S")

Hook = Callable[..., Any]
Misuse = Callable[[str], DescriptionError]

MAX_DEPTH = 64
"""How deep structs may nest: far over any device, far under Python's own limit."""


class MigrationPriority(enum.IntEnum):
    """When a section is loaded, in relation to the others: the higher, the earlier."""

    UNINITIALIZED = 0
    LOW = 1
    DEFAULT = 2
    IOMMU = 3
    PCI_BUS = 4
    VIRTIO_MEM = 5
    APIC = 6
    GICV3_ITS = 7
    GICV3 = 8


class Pointers(enum.Enum):
    """How an array of pointers is written."""

    NULL_MARKER = "null"
    """A NULL is the byte 0x30; anything else is the element itself, with no marker."""
    ALL_MARKED = "marked"
    """Each element stands behind a byte: 0x30 for NULL, 0x31 for one that follows (AUTO_ALLOC, QEMU 11.1)."""


class Secret(Value):
    """Elements of a field that hold what is the user's or the guest's, and how they are replaced for strangers.

    `kind` is "contents" (bytes of any kind), "mac" (addresses, 6 bytes each), "mac-words" (an address in three 16-bit
    registers, the first byte the lower of the first), "mac-registers" (addresses in pairs of 32-bit registers, as
    Intel's cards have them: four bytes, the first the lowest, then two, below 16 bits that are kept) or "uuid" (16
    bytes). `first` is the index of the first element on the wire, `count` how many there are; None: all that follow.
    """

    kind: str
    first: int = 0
    count: int | None = None


class Field(Data):
    """One field of a description, in the order of the wire.

    `name` is QEMU's (it may repeat, and need not be an identifier), `attribute` the state's, the same where none is
    given. `count` is None for a
    single element, else the number of elements; `dims` splits them into rows. The field is on the wire where `exists`
    holds or, without it, from version `version` on. `start` is the index of the first element in QEMU's array. `nulls`
    says which elements of an array of pointers are NULL: "never", "marked" (the byte 0x30 tells) or their indices.
    """

    name: str
    type: WireType
    attribute: str = ""
    count: int | Expr | None = None
    version: int = 0
    exists: Expr | None = None
    dims: tuple[int, ...] | None = None
    start: int = 0
    pointers: Pointers | None = None
    nulls: Expr | None = None
    rules: tuple[Rule, ...] = ()
    default: Any = None
    err_hint: str | None = None
    doc: str | None = None
    private: tuple[Secret, ...] | None = None
    """What of it is not for strangers; () is nothing, None is told by the type: bytes, text and arrays of uint8 are."""
    # From a vmdesc only: QEMU has numbered the name already, and has said whether the array was compressed.
    as_written: bool = False
    compressed: bool | None = None
    value: Callable[[Any], Any] | None = None
    """What a value is read as: a kind of int or bytes with names for what is in it, such as a Flag."""
    in_state: bool = True
    """Whether a state has a value for it; told by the type."""
    is_plain: bool = True
    """Whether it is a scalar or a buffer, or a fixed number of them, and always there; told by the rest."""
    run_code: str = ""
    """Its letters in a struct.Struct, where it can be one of a run; told by the rest.

    They say all there is to know: "B" is a number, "2B" a list of two, "?" a bool, "2s" bytes, "2x" padding.
    """

    if not TYPE_CHECKING:
        # What is not given stays an attribute of the class: a stream's vmdesc makes hundreds.
        def __init__(self, name, type, attribute="", count=None, exists=None, value=None, **more):
            if more.keys() - Field._names:
                raise TypeError(f"Field() has no {', '.join(sorted(more.keys() - Field._names))}")
            is_plain = (
                exists is None
                and more.get("pointers") is None
                and more.get("dims") is None
                and (count is None or (count.__class__ is int and count >= 0))
                and type.is_plain
            )
            self.__dict__.update(
                more,
                name=name,
                type=type,
                attribute=attribute or name,
                count=count,
                exists=exists,
                value=value,
                in_state=type.in_state,
                is_plain=is_plain,
                run_code=_run_code(type, count) if is_plain and value is None else "",
            )

    @classmethod
    def of_scalars(cls, name: str, kind: Scalar, count: int | None) -> Field:
        """What a vmdesc shows as a scalar, or as an array of `count`; there are hundreds, and it takes no checks."""
        field = cls.__new__(cls)
        if count is None:
            field.__dict__.update(name=name, type=kind, attribute=name, as_written=True, run_code=kind.code)
        else:
            code = f"{count}{kind.code}" if count else ""
            field.__dict__.update(
                name=name, type=kind, attribute=name, as_written=True, count=count, compressed=True, run_code=code
            )
        return field

    @property
    def checks(self) -> tuple[Rule, ...]:
        """All that QEMU checks of it: by its wire type, and by its rules."""
        return rules_of(self.attribute, self.type, self.rules, self.err_hint)

    def expressions(self) -> Iterator[Expr]:
        """Everything the layout of this field depends on."""
        for expr in (self.exists, self.count, *self.type.expressions()):
            if isinstance(expr, Expr):
                yield expr


def _run_code(kind: WireType, count: int | None) -> str:
    if count is None:
        return kind.run_code
    # Padding and bytes have their own number in front of the letter.
    return f"{count}{kind.run_code}" if count and kind.run_code and isinstance(kind, Scalar) else ""


class Subsection(Data):
    """A subsection in its parent: the description, the attribute that holds its state, and when it is sent.

    `needed` is read in the parent (`this` is the parent); the description's own `needed`, which holds without one, in
    the subsection (`up` is the parent).
    """

    vmsd: VMStateDescription
    attribute: str
    needed: Expr | None = None


Leaf = tuple[str, Scalar, int | None]
"""The name of a field, its type, and the number of elements of an array: what a vmdesc says of a scalar."""


class TraceEntry(NamedTuple):
    """Where something stands: its first byte and its size in bytes, and the field it is (None: a subsection)."""

    offset: int
    size: int
    field: Field | None


class VMStateDescription(Data, Generic[S]):
    """The declaration of a device's state, or of a part of one.

    `VMStateDescription[Beeper]` is one whose states are objects of `Beeper`; one from a vmdesc has states of type
    `State`. To a type checker a plain `VMStateDescription` is one of any states.
    """

    # Without defaults here, so that `__getattr__` is asked for what is not there yet.
    name: str
    fields: tuple[Field, ...]
    version_id: int
    minimum_version_id: int
    subsections: tuple[Subsection, ...]
    needed: Expr | None
    priority: MigrationPriority
    phase: str
    unmigratable: bool
    rules: tuple[Rule, ...]
    pre_load: Hook | None
    post_load: Hook | None
    pre_save: Hook | None
    post_save: Hook | None
    dev_unplug_pending: Hook | None
    state_class: type | None
    doc: str | None
    unknown: str | None
    """Why there can be no codec: the first thing a -dump-vmstate text does not say."""
    depth: int
    """How deep structs nest in it; counted, not given."""
    compiled: dict[Any, Any]
    """What the codec has made of it, kept here so that it lives as long as the description."""

    def __init__(
        self,
        name: str,
        fields: Iterable[Field] = (),
        version_id: int = 0,
        minimum_version_id: int = 0,
        subsections: Iterable[Subsection] = (),
        needed: Expr | None = None,
        priority: MigrationPriority = MigrationPriority.UNINITIALIZED,
        early_setup: bool = False,
        phase: str | None = None,
        unmigratable: bool = False,
        rules: tuple[Rule, ...] = (),
        pre_load: Hook | None = None,
        post_load: Hook | None = None,
        pre_save: Hook | None = None,
        post_save: Hook | None = None,
        dev_unplug_pending: Hook | None = None,
        state_class: type | None = None,
        doc: str | None = None,
        unknown: str | None = None,
    ) -> None:
        self.__dict__.update(
            name=name,
            fields=tuple(fields),
            version_id=version_id,
            minimum_version_id=minimum_version_id,
            subsections=tuple(subsections),
            needed=needed,
            priority=priority,
            phase=phase or ("early-setup" if early_setup else "complete"),
            unmigratable=unmigratable,
            rules=rules,
            pre_load=pre_load,
            post_load=post_load,
            pre_save=pre_save,
            post_save=post_save,
            dev_unplug_pending=dev_unplug_pending,
            state_class=state_class,
            doc=doc,
            unknown=unknown,
            compiled={},
        )
        validate(self)
        if early_setup and not self.early_setup:
            raise DescriptionError(f"early_setup, and the phase {phase}", section=repr(name))

    @property
    def early_setup(self) -> bool:
        """QEMU's flag up to 11.1."""
        return self.phase == "early-setup"

    @classmethod
    def deferred(cls, members: Callable[[], dict[str, Any]], **options: Any) -> VMStateDescription:
        """The description of these options, whose fields and subsections `members` makes when one is first asked for.

        What is wrong with them shows no earlier.
        """
        vmsd = cls.__new__(cls)
        vmsd.__dict__.update(options, unknown=None, compiled={}, members=members)
        return vmsd

    @classmethod
    def of_leaves(cls, name: str, version_id: int, leaves: tuple[Leaf, ...]) -> VMStateDescription:
        """What a vmdesc shows as a struct of scalars and of arrays of them, with names that differ.

        Most of a vmdesc is that. `codec` compiles it from the leaves; its fields are made when they are first asked
        for.
        """
        vmsd = cls.__new__(cls)
        vmsd.__dict__.update(
            _NOTHING_SAID,
            name=name,
            version_id=version_id,
            minimum_version_id=version_id,
            compiled={},
            depth=1,
            leaves=leaves,
        )
        return vmsd

    @property
    def leaves(self) -> tuple[Leaf, ...] | None:
        """Its fields where it was made by `of_leaves`; else None."""
        leaves: tuple[Leaf, ...] | None = self.__dict__.get("leaves")
        return leaves

    def branches(self) -> tuple[Field, ...]:
        """Its fields, or none where they are leaves: those that can have something inside are among them."""
        return self.fields if "leaves" not in self.__dict__ else ()

    @property
    def is_complete(self) -> bool:
        """Whether its fields and subsections have been made."""
        return self.__dict__.get("members") is None

    def complete(self) -> None:
        """Make the fields and subsections of a description that was deferred.

        Only the library's own are, and what is wrong with them a test says: they are not looked over here.
        """
        members = self.__dict__.get("members")
        if members is not None:
            made = members()
            self.__dict__.update(fields=tuple(made["fields"]), subsections=tuple(made["subsections"]))
            self.__dict__["members"] = None

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            if name == "depth":
                depth = self.__dict__["depth"] = 1 + max((child.depth for child in _children(self)), default=0)
                return depth
            if name == "fields" and "leaves" in self.__dict__:
                fields = self.__dict__["fields"] = tuple(Field.of_scalars(*leaf) for leaf in self.__dict__["leaves"])
                return fields
            if name not in ("fields", "subsections") or self.__dict__.get("members") is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self.complete()
            return self.__dict__[name]

    def replace(self, **changes: Any) -> VMStateDescription[S]:
        """A description like this one with some of it changed."""
        given = [name for name in VMStateDescription._names if name not in ("depth", "compiled")]
        return VMStateDescription(**{name: getattr(self, name) for name in given} | changes)

    def __repr__(self) -> str:
        return f"<VMStateDescription {self.name!r} version {self.version_id}>"

    @cached_property
    def wire_name(self) -> bytes:
        """The name as it stands in the header of a subsection."""
        return self.name.encode("utf-8", "surrogateescape")

    @property
    def codec(self) -> Codec:
        """The compiled codec, made when first asked for."""
        codec: Codec | None = self.compiled.get("codec")
        if codec is None:
            codec = self.compiled["codec"] = _codec_of(self)
        return codec

    def decode(self, data: BytesLike, *, version_id: int | None = None, facts: Mapping[str, Any] | None = None) -> S:
        """The state in `data`, the bytes of a section without header and footer; it must end where the state ends.

        `version_id` is the one in the section's header (default: the description's own). `facts` tell what the host
        knows, by name. Raises `DecodeError`, with path and offset; `TruncatedError` where bytes are missing.
        """
        state: S = self.codec.decode(data, version_id=version_id, facts=facts)
        return state

    def encode(
        self,
        state: S,
        *,
        version_id: int | None = None,
        facts: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> bytes:
        """The bytes of a state, at `version_id` (default: the version it was read at, else the description's own).

        QEMU's load-time rules are applied unless `force`. Raises `EncodeError`.
        """
        return self.codec.encode(state, version_id=version_id, facts=facts, force=force)

    def trace(
        self, data: BytesLike, *, version_id: int | None = None, facts: Mapping[str, Any] | None = None
    ) -> Mapping[str, TraceEntry]:
        """Path -> (offset in bytes, size in bytes, field) of everything in `data`, in the order of the wire.

        Raises `DecodeError`, as `decode` does.
        """
        return self.codec.trace(data, version_id=version_id, facts=facts)

    def as_construct(self, *, version_id: int | None = None, facts: Mapping[str, Any] | None = None) -> Any:
        """A `construct` declaration of the same layout, for use with that library.

        What construct cannot say (an array of pointers with NULLs, a fact that is not given) is refused by name.
        """
        return self.codec.as_construct(version_id=version_id, facts=facts)

    def parts(self) -> Iterator[VMStateDescription]:
        """The structs and subsections directly inside, also those whose module is imported only when they are met."""
        for field in self.branches():
            if not field.is_plain:
                yield from field.type.structs()
        for sub in self.subsections:
            yield sub.vmsd

    def walk(self) -> Iterator[VMStateDescription]:
        """This description and all inside it; one that stands in several places comes for each."""
        yield self
        for part in self.parts():
            yield from part.walk()


_NOTHING_SAID: dict[str, Any] = {
    "subsections": (),
    "needed": None,
    "priority": MigrationPriority.UNINITIALIZED,
    "early_setup": False,
    "unmigratable": False,
    "rules": (),
    "pre_load": None,
    "post_load": None,
    "pre_save": None,
    "post_save": None,
    "dev_unplug_pending": None,
    "state_class": None,
    "doc": None,
    "unknown": None,
}
"""Of what the struct of leaves in a vmdesc says nothing."""


def _codec_of(vmsd: VMStateDescription) -> Codec:
    # The codec stands above descriptions: it is imported when one of them is first asked for it.
    from vmstate.codec.codec import Codec

    return Codec(vmsd)


def validate(vmsd: VMStateDescription) -> None:
    """Refuse a description that cannot be, with one sentence that says why."""

    def misuse(text: str) -> DescriptionError:
        return DescriptionError(text, section=repr(vmsd.name))

    if not vmsd.name and vmsd.state_class is not None:
        raise misuse("a description needs a name")
    if not vmsd.name.isascii() and not _is_utf8(vmsd.name):
        raise misuse("the name is no text that UTF-8 can say")
    if vmsd.version_id < vmsd.minimum_version_id:
        raise misuse(f"version_id {vmsd.version_id} is below minimum_version_id {vmsd.minimum_version_id}")
    if vmsd.state_class is None and not vmsd.subsections:
        # Most of what a vmdesc describes is so plain that nothing can be wrong with it.
        for field in vmsd.fields:
            if not field.is_plain:
                break
        else:
            vmsd.__dict__["depth"] = 1
            return
    names = [field.attribute for field in vmsd.fields] + [sub.attribute for sub in vmsd.subsections]
    if vmsd.state_class is not None and len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise misuse(f"two attributes have the name {twice!r}")
    known: set[str] = set()
    later = set(names)
    for field in vmsd.fields:
        if not field.is_plain:
            _check_shape(field, misuse)
            for expr in field.expressions():
                _check_order(expr, known, later, field.attribute, misuse)
            for child in field.type.children():
                _check_seen_from(child, known, later, misuse)
        if field.version < 0:
            raise misuse(f"{field.attribute!r} is from version {field.version} on")
        if field.version > vmsd.version_id and field.exists is None and vmsd.state_class is not None:
            raise misuse(f"{field.attribute!r} is from version {field.version} on, and there is only {vmsd.version_id}")
        if field.in_state:
            known.add(field.attribute)
        if field.rules:
            _check_rules(field.rules, vmsd, misuse)
    _check_exprs(vmsd.name, misuse, vmsd.needed, *(sub.needed for sub in vmsd.subsections))
    if vmsd.rules:
        _check_rules(vmsd.rules, vmsd, misuse)
    for sub in vmsd.subsections:
        # The vmdesc of a stream is taken as it is: what QEMU wrote cannot be misuse.
        if vmsd.state_class is not None and not (sub.vmsd.name.startswith(vmsd.name) and sub.vmsd.name != vmsd.name):
            raise misuse(f"the name of subsection {sub.vmsd.name!r} does not begin with its parent's and go on")
        if sub.needed is not None:
            _check_needed(sub, later, misuse)
        if len(sub.vmsd.wire_name) > 255:
            raise misuse(f"the name of subsection {sub.vmsd.name!r} is longer than 255 bytes")
    if vmsd.depth > MAX_DEPTH:
        raise misuse(f"structs nest deeper than {MAX_DEPTH}")


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return False


def _children(vmsd: VMStateDescription) -> Iterator[VMStateDescription]:
    for field in vmsd.branches():
        if not field.is_plain:
            yield from field.type.children()
    for sub in vmsd.subsections:
        yield sub.vmsd


def _check_order(
    expr: Expr,
    known: set[str],
    later: set[str],
    attribute: str,
    misuse: Misuse,
) -> None:
    for node in expr.refs_:
        if node.base_ == "this":
            if not node.names_:
                raise misuse(f"{attribute!r} depends on `this` itself, not on a field of it")
            first = node.names_[0]
            if first == attribute:
                raise misuse(f"{attribute!r} depends on itself")
            if first not in known:
                why = "comes later" if first in later else "is no field here"
                raise misuse(f"{attribute!r} depends on {first!r}, which {why}")


def _check_needed(sub: Subsection, names: set[str], misuse: Misuse) -> None:
    assert sub.needed is not None
    for node in sub.needed.refs_:
        if node.base_ == "this" and node.names_ and node.names_[0] not in names:
            raise misuse(f"{sub.attribute!r} depends on {node.names_[0]!r}, which is no field here")


def _check_rules(rules: Iterable[Rule], vmsd: VMStateDescription, misuse: Misuse) -> None:
    """Refuse a rule that reads what is no value of the struct that it is of."""
    names = state_attributes(vmsd)
    for rule in rules:
        for expr in (rule.holds, rule.value, rule.local):
            for part in () if expr is None else expr.walk():
                if isinstance(part, Own) or (isinstance(part, Ref) and part.base_ == "this"):
                    first = part.names_[0] if part.names_ else None
                    if first is not None and first not in names:
                        raise misuse(f"rule {rule.id!r} depends on {first!r}, which is no field here")


def _check_seen_from(child: VMStateDescription, known: set[str], later: set[str], misuse: Misuse) -> None:
    """Refuse an expression of a struct that reads what comes after it in the struct around it."""
    for field in child.branches():
        for expr in () if field.is_plain else field.expressions():
            for node in expr.refs_:
                if node.base_ == "up" and node.names_:
                    name = node.names_[0]
                    if name in later and name not in known:
                        raise misuse(f"{child.name!r} depends on {name!r} of the struct around it, which comes later")


def _check_shape(field: Field, misuse: Misuse) -> None:
    """Refuse counts, sizes, rows and versions that cannot be."""
    kind, name = field.type, field.attribute
    if field.count is None and (field.dims is not None or field.pointers is not None):
        raise misuse(f"{name!r} is no array, and so has neither rows nor pointers")
    if field.count is not None and isinstance(kind, (Validate, Host)):
        raise misuse(f"{name!r} has nothing on the wire, and so is no array")
    _check_exprs(name, misuse, field.exists, field.nulls, *kind.expressions())
    if not (field.count is None or isinstance(field.count, (int, Expr))) or field.count is True:
        raise misuse(f"{name!r} has {field.count!r} elements, which is neither a number nor an expression")
    if isinstance(field.count, int) and field.count < 0:
        raise misuse(f"{name!r} has {field.count} elements")
    if field.dims is not None and (min(field.dims) < 1 or field.count != math.prod(field.dims)):
        raise misuse(f"{name!r} has {field.count} elements, which its rows {field.dims} do not hold")
    if field.pointers is Pointers.NULL_MARKER and field.nulls is None:
        raise misuse(f"{name!r} needs the fact that says whether there are NULLs")
    _check_type(kind, name, misuse)


def _check_type(kind: WireType, name: str, misuse: Misuse) -> None:
    size = kind.size if isinstance(kind, Buffer) else kind.bits if isinstance(kind, Bitmap) else 0
    if not isinstance(size, (int, Expr)) or (isinstance(size, int) and size < 0):
        raise misuse(f"{name!r} has a size of {size!r}")
    if isinstance(kind, Struct) and kind.version is not None:
        _check_version(name, kind.vmsd, kind.version, misuse)
    if isinstance(kind, GTree):
        for child in kind.children():
            _check_version(name, child, kind.version, misuse)
    if isinstance(kind, Choice):
        if not kind.cases:
            raise misuse(f"{name!r} has nothing to choose from")
        for _, case in kind.cases:
            if isinstance(case, (Unused, Validate, Host)):
                raise misuse(f"{name!r} can be of a type that has no value on the wire")
            _check_type(case, name, misuse)


def _check_exprs(name: str, misuse: Misuse, *values: object) -> None:
    for value in values:
        if not (value is None or isinstance(value, Expr)):
            raise misuse(f"{name!r} depends on {value!r}, which is no expression")


def _check_version(name: str, vmsd: VMStateDescription, version: int, misuse: Misuse) -> None:
    if not vmsd.minimum_version_id <= version <= vmsd.version_id:
        versions = f"{vmsd.minimum_version_id} to {vmsd.version_id}"
        raise misuse(f"{name!r} reads {vmsd.name!r} at version {version}, which has only {versions}")


def state_attributes(vmsd: VMStateDescription) -> list[str]:
    """The attributes that a state's values have, in the order of the wire, subsections last; some can repeat."""
    attributes = [field.attribute for field in vmsd.fields if field.in_state]
    attributes += [sub.attribute for sub in vmsd.subsections]
    return attributes


def state_keys(vmsd: VMStateDescription) -> list[str]:
    """The keys that a `State` of a description has, in the order of the wire, subsections last; each once."""
    return list(dict.fromkeys(state_attributes(vmsd)))
