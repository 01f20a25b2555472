"""QEMU's vmdesc: the JSON behind a stream that says what its device sections hold.

Reading it gives descriptions *of that stream*: counts are constants, an info that QEMU does not open stays opaque.
Writing it, from a description and a state, gives the text QEMU would have written, in one of its dialects.

Facts from QEMU's migration/vmstate.c and from streams of 5.2, 7.2, 10.0 and 11.1. A name's `[n]` is a C name or QEMU's
own numbering and is never read as an index. A list type repeats the keys `vmsd_name`, `version`, `fields` in one
object, once for each element.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from vmstate.errors import DescriptionError, SchemaError
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data, NamedTuple
from vmstate.vmsd.description import MAX_DEPTH, Field, Leaf, Pointers, Subsection, VMStateDescription
from vmstate.vmsd.expr import Const

COUNT_LIMIT = 1 << 31
NULLS = {kind.info: kind for kind in (t.NULLPTR, t.PTR_MARKER)}
"""What a NULL in an array of pointers is called, from QEMU 10.0 on."""

NAME_LIMIT = 1024
"""Characters of a name at most: QEMU's are C names, and each value is told by its path."""

NAMES_LIMIT = 4096
"""Characters of the names of nested structs at most, all on the way to one field together."""


LARGE = 1 << 20
"""Bytes of a text that is read at once; a larger one is read entry by entry."""


class Dialect(Data):
    """How one range of QEMU releases writes vmdesc.

    `index` says which elements of an array that cannot be compressed carry their index: "all", "but last" or "none".
    `configuration` says whether the configuration section is described. `null` is the type of a NULL in an array of
    pointers, of which the NULLs are described by themselves; without it the first element alone stands for all, even
    where the others differ. `spaced` says how the text is spaced: `{ "a" : [ 1 ] }` or `{"a": [1]}`.
    """

    name: str
    index: str
    configuration: bool
    null: t.Nullptr | None
    spaced: bool = False


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("5.2", index="all", configuration=False, null=None, spaced=True),
        Dialect("7.2", index="all", configuration=False, null=None),
        Dialect("8.0", index="all", configuration=True, null=None),
        Dialect("10.0", index="but last", configuration=True, null=t.NULLPTR),
        Dialect("11.1", index="none", configuration=True, null=t.PTR_MARKER),
    )
}
"""The dialects by the release in which each was seen first."""

NOT_SAID = Dialect("8.0", index="none", configuration=True, null=t.PTR_MARKER)
"""Of a text without arrays: any release from 8.0 on writes it so."""


class Repeated(dict[str, Any]):
    """A JSON object in which a key stands more than once; `pairs` has them all."""

    __slots__ = ("pairs",)
    __hash__ = None
    pairs: list[tuple[str, Any]]

    def __eq__(self, value: object) -> bool:
        return isinstance(value, Repeated) and self.pairs == value.pairs

    def __ne__(self, value: object) -> bool:
        return not self == value


class Device(Data):
    """A device section in vmdesc. `vmsd` is None for an old-style section, of which only the size is known.

    `otherwise` is a second description that the text can mean, where it says too little of an array of pointers.
    """

    name: str
    instance_id: int
    vmsd: VMStateDescription | None
    size: int | None
    otherwise: VMStateDescription | None = None

    def descriptions(self) -> tuple[VMStateDescription, ...]:
        """What the section can be read by, the likelier first."""
        if self.vmsd is None:
            return ()
        return (self.vmsd,) if self.otherwise is None else (self.vmsd, self.otherwise)


class Vmdesc(Data):
    """A vmdesc as descriptions."""

    page_size: int | None
    configuration: VMStateDescription | None
    devices: tuple[Device, ...]
    dialect: Dialect


NOTHING_DESCRIBED = Vmdesc(None, None, (), DIALECTS["11.1"])
"""The vmdesc of a stream that has none."""


@lru_cache(maxsize=32)
def read_vmdesc(text: bytes) -> Vmdesc:
    """Descriptions from vmdesc's JSON text. The same text gives the same descriptions, compiled once.

    Raises `SchemaError`.
    """
    spaced = text.startswith(b"{ ")
    if len(text) > LARGE:
        from vmstate.schema.large import read_by_entries

        return read_by_entries(text, spaced=spaced)
    # Python is faster where it need not keep repeated keys, and few streams have any: then a description is missing.
    with suppress(SchemaError, ValueError, RecursionError):
        reader = VmdescReader(spaced=spaced)
        vmdesc = reader.top(json.loads(text))
        if reader.described == text.count(b'"vmsd_name"'):
            return vmdesc
    from vmstate.schema.repeated import parse_json

    return VmdescReader(spaced=spaced).top(parse_json(text))


def _too_long(name: str, limit: int) -> SchemaError:
    return SchemaError(f"vmdesc has too long a name, {name[:40]!r}...", expected=f"at most {limit} characters")


def _take(obj: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(obj, dict) or type(obj.get(key)) is not kind:
        shown = type(obj.get(key)).__name__ if isinstance(obj, dict) and key in obj else "nothing"
        raise SchemaError(f"vmdesc of {where!r} lacks {key!r}", expected=kind.__name__, found=shown)
    if kind is int and not 0 <= obj[key] < 1 << 32:
        shown = str(obj[key])[:40]
        raise SchemaError(f"vmdesc of {where!r} has an impossible {key!r}", expected="0 to 4294967295", found=shown)
    return obj[key]


def _count(entry: dict[str, Any], name: str) -> int | None:
    """The number of elements that an array was compressed from."""
    if "array_len" not in entry:
        return None
    count: int = _take(entry, "array_len", int, name)
    if count >= COUNT_LIMIT:
        raise SchemaError(f"vmdesc of {name!r} has an impossible 'array_len'", found=str(count))
    return count


class _Known(NamedTuple):
    """A description of a vmdesc that has been read: the JSON of it, where it stood, and how many are in it."""

    obj: dict[str, Any]
    place: tuple[int, int]
    vmsd: VMStateDescription
    described: int


class VmdescReader:
    """One vmdesc being read. What is equal becomes one object, so that it is compiled once."""

    def __init__(self, *, spaced: bool) -> None:
        self.spaced = spaced
        self.fields: dict[Any, Field] = {}
        self.leaves: dict[Any, Field] = {}
        self.vmsds: dict[Any, VMStateDescription] = {}
        self.known: dict[tuple[str, int], _Known] = {}
        """What was read last of each name and version: many devices have their beginning in common, CPUs all of it."""
        self.types: dict[Any, t.WireType] = {}
        self.indexed: list[bool] = []
        self.repeats_bare = False
        self.nulls: set[str] = set()
        # Whether what is read now could mean something else, and whether it is that which is wanted.
        self.ambiguous = False
        self.differing = 0
        """Elements so far of arrays whose structs differ: a few bytes can stand for many."""
        self.otherwise = False
        self.depth = 0
        self.characters = 0
        self.described = 0

    def top(self, top: Any) -> Vmdesc:
        if not isinstance(top, dict):
            raise SchemaError("vmdesc is no JSON object", found=type(top).__name__)
        configuration = self.vmsd(top["configuration"], "configuration") if "configuration" in top else None
        page_size = _take(top, "page_size", int, "the stream") if "page_size" in top else None
        devices = tuple(self.device(entry) for entry in _take(top, "devices", list, "the stream"))
        return Vmdesc(page_size, configuration, devices, self.dialect(configuration is not None))

    def dialect(self, configuration: bool) -> Dialect:
        """Told by the spacing and the arrays; where there are none, every dialect writes the same."""
        if self.spaced:
            return DIALECTS["5.2"]
        for dialect in DIALECTS.values():
            if dialect.null is not None and dialect.null.info in self.nulls:
                return dialect
        if self.repeats_bare:
            return DIALECTS["11.1"]
        if self.indexed and not all(self.indexed):
            return DIALECTS["10.0"]
        if not configuration:
            return DIALECTS["7.2"]
        return DIALECTS["8.0"] if self.indexed else NOT_SAID

    def device(self, entry: Any) -> Device:
        name = _take(entry, "name", str, "a device")
        instance_id = _take(entry, "instance_id", int, name)
        try:
            if "vmsd_name" not in entry:
                return Device(name, instance_id, None, _take(entry, "size", int, name) if "size" in entry else None)
            self.ambiguous = self.otherwise = False
            vmsd = self.vmsd(entry, name)
            if not self.ambiguous:
                return Device(name, instance_id, vmsd, None)
            described, self.otherwise = self.described, True
            device = Device(name, instance_id, vmsd, None, self.vmsd(entry, name))
            self.described = described
            return device
        except SchemaError as error:
            raise error.within(section=name) from None

    def vmsd(self, obj: Any, where: str) -> VMStateDescription:
        name = _take(obj, "vmsd_name", str, where)
        version_id = _take(obj, "version", int, name)
        known = self.known.get((name, version_id))
        # No deeper than before, for there are limits to that.
        place = self.depth, self.characters + len(where)
        if known is not None and place[0] <= known.place[0] and place[1] <= known.place[1] and _alike(obj, known.obj):
            self.described += known.described
            return known.vmsd
        described = self.described
        vmsd = self.struct(obj, where, name, version_id)
        if not self.ambiguous:
            self.known[name, version_id] = _Known(obj, place, vmsd, self.described - described)
        return vmsd

    def struct(self, obj: dict[str, Any], where: str, name: str, version_id: int) -> VMStateDescription:
        self.described += 1
        if self.depth == MAX_DEPTH:
            raise SchemaError("vmdesc nests too deeply", expected=f"at most {MAX_DEPTH} structs")
        self.depth += 1
        characters = len(where) + len(name)
        self.characters += characters
        if self.characters > NAMES_LIMIT:
            raise _too_long(where, NAMES_LIMIT)
        entries = _take(obj, "fields", list, name)
        leaves = None if "subsections" in obj else _leaves(entries)
        if leaves is not None and name.isascii():
            self.depth -= 1
            self.characters -= characters
            leaf_key = (name, version_id, leaves)
            struct = self.vmsds.get(leaf_key)
            if struct is None:
                struct = self.vmsds[leaf_key] = VMStateDescription.of_leaves(name, version_id, leaves)
            return struct
        fields = tuple(self.group_fields(entries, name))
        subs: tuple[VMStateDescription, ...] = ()
        if "subsections" in obj:
            subs = tuple(self.vmsd(sub, name) for sub in _take(obj, "subsections", list, name))
        self.depth -= 1
        self.characters -= characters
        key = (name, version_id, fields, subs)
        vmsd = self.vmsds.get(key)
        if vmsd is None:
            try:
                vmsd = self.vmsds[key] = VMStateDescription(
                    name=name,
                    version_id=version_id,
                    minimum_version_id=version_id,
                    fields=fields,
                    subsections=tuple(Subsection(sub, sub.name) for sub in subs),
                )
            except DescriptionError as error:
                raise SchemaError(f"vmdesc describes what cannot be: {error}") from None
        return vmsd

    def group_fields(self, entries: list[Any], where: str) -> list[Field]:
        """The fields; entries that are the elements of one array that QEMU did not compress become one."""
        fields: list[Field] = []
        start = 0
        # Nearly all of a vmdesc is fields: what is checked of each is checked here, and told by `_take`.
        names: list[Any] = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
        if not {str}.issuperset(map(type, names)):
            names = [_take(entry, "name", str, where) for entry in entries]
        names.append(None)
        while start < len(entries):
            name = names[start]
            stop = start + 1
            while names[stop] == name:
                stop += 1
            if stop - start > 1:
                fields += self.elements(entries[start:stop], name)
            else:
                fields.append(self.leaf(entries[start], name) or self.field(entries[start], name))
            start = stop
        return fields

    def leaf(self, entry: dict[str, Any], name: str) -> Field | None:
        """A scalar or an array of them, as most fields are; None for all else, and for what is not as it should be."""
        info, size, count = entry.get("type"), entry.get("size"), entry.get("array_len")
        if len(entry) != (3 if count is None else 4) or type(info) is not str or type(size) is not int:
            return None
        if count is not None and type(count) is not int:
            return None
        key = (name, info, size, count)
        field = self.leaves.get(key)
        if field is None:
            kind = t.SCALARS.get(info)
            if kind is None or kind.size != size or not (count is None or 0 <= count < COUNT_LIMIT):
                return None
            if len(name) > NAME_LIMIT:
                raise _too_long(name, NAME_LIMIT)
            field = self.leaves[key] = Field.of_scalars(name, kind, count)
        return field

    def field(self, entry: Any, name: str) -> Field:
        count = _count(entry, name)
        kind = self.kind(entry, name)
        compressed = None if count is None else True
        key = (name, kind, count)
        field = self.fields.get(key)
        if field is None:
            field = self.fields[key] = Field(name, kind, count=count, as_written=True, compressed=compressed)
        return field

    def elements(self, entries: list[Any], name: str) -> Iterator[Field]:
        self.indexed.extend("index" in entry for entry in entries)
        self.repeats_bare = self.repeats_bare or not any("index" in entry for entry in entries)
        kinds = [self.kind(entry, name) for entry in entries]
        counts = [_count(entry, name) for entry in entries]
        if any(isinstance(kind, t.Nullptr) for kind in kinds):
            # Few streams have any.
            from vmstate.schema.pointers import pointers_of

            pointers = pointers_of(self, entries, kinds, counts, name)
            if pointers is not None:
                yield from pointers
                return
        elif len(set(kinds)) == 1 and counts.count(None) == len(counts):
            yield self.array(name, kinds[0], len(kinds), compressed=False)
            return
        for kind, count in zip(kinds, counts, strict=True):
            yield Field(name, kind, count=count, as_written=True, compressed=count is not None)

    def array(
        self,
        name: str,
        kind: t.WireType,
        count: int,
        *,
        compressed: bool,
        pointers: Pointers | None = None,
        nulls: frozenset[int] | None = None,
    ) -> Field:
        """An array that several entries stand for; one object for what is the same."""
        key = (name, kind, count, compressed, pointers, nulls)
        field = self.fields.get(key)
        if field is None:
            places = None if nulls is None else Const(nulls)
            field = Field(
                name, kind, count=count, as_written=True, compressed=compressed, pointers=pointers, nulls=places
            )
            self.fields[key] = field
        return field

    def kind(self, entry: Any, name: str) -> t.WireType:
        """The wire type of a field; one object for what is the same."""
        if len(name) > NAME_LIMIT:
            raise _too_long(name, NAME_LIMIT)
        info = _take(entry, "type", str, name)
        size = _take(entry, "size", int, name)
        known = t.SCALARS.get(info)
        # Before 10.0 an array of pointers has the size of its first element, which for a NULL is 1.
        if known is not None and size != known.size and not (size == 1 and ("array_len" in entry or "index" in entry)):
            raise SchemaError(
                f"vmdesc of {name!r} says a size that no {info!r} has", expected=str(known.size), found=str(size)
            )
        nested = tuple(self.vmsd(part, name) for part in _nested(entry))
        key = (info, size if not nested else None, nested, "struct" in entry)
        wire_type = self.types.get(key)
        if wire_type is None:
            wire_type = self.types[key] = _kind(info, size, nested, empty_struct=entry.get("struct") == {})
        if isinstance(wire_type, t.Nullptr):
            self.nulls.add(info)
        return wire_type


def _alike(obj: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether two descriptions of one name and version are the same."""
    try:
        return obj.get("fields") == known.get("fields") and obj.get("subsections") == known.get("subsections")
    except RecursionError:
        return False


def _leaves(entries: list[Any]) -> tuple[Leaf, ...] | None:
    """The fields of a struct of scalars and arrays of scalars; None for all else, and for what is not as it should be.

    Nearly all of a vmdesc is such fields, so this is in one piece.
    """
    leaves: list[Leaf] = []
    try:
        for entry in entries:
            name, kind, size = entry["name"], t.SCALARS.get(entry["type"]), entry["size"]
            if kind is None or size != kind.size or size.__class__ is not int or name.__class__ is not str:
                return None
            if len(entry) == 3:
                leaves.append((name, kind, None))
                continue
            count = entry["array_len"]
            if len(entry) > 4 or count.__class__ is not int or not 0 < count < COUNT_LIMIT:
                return None
            leaves.append((name, kind, count))
    except (KeyError, TypeError, IndexError):
        return None
    names = {leaf[0] for leaf in leaves}
    # The elements of an array that is not compressed have one name.
    if len(names) < len(leaves) or (leaves and len(max(names, key=len)) > NAME_LIMIT):
        return None
    return tuple(leaves)


def _nested(entry: dict[str, Any]) -> Iterable[Any]:
    if entry.get("struct"):
        return (entry["struct"],)
    if isinstance(entry, Repeated):
        groups: list[dict[str, Any]] = []
        for key, value in entry.pairs:
            if key == "vmsd_name":
                groups.append({})
            if groups and key in ("vmsd_name", "version", "fields", "subsections"):
                groups[-1][key] = value
        return groups
    return (entry,) if "vmsd_name" in entry else ()


def _kind(info: str, size: int, nested: tuple[VMStateDescription, ...], *, empty_struct: bool) -> t.WireType:
    known = t.SCALARS.get(info)
    if known is not None and known.size == size:
        return known
    if info in ("struct", "vstruct"):
        if len(nested) == 1:
            return t.Struct(info, nested[0], nested[0].version_id)
        if empty_struct and size == 1:
            # Before 10.0 a NULL in an array of pointers was written as a struct of nothing.
            return t.Nullptr(info)
    if info in NULLS and size == 1:
        return NULLS[info]
    if info in ("qtailq", "qlist") and nested and all(vmsd is nested[0] for vmsd in nested):
        return t.QList(info, nested[0], nested[0].version_id)
    if info == "gtree" and nested:
        return _tree(size, nested) or t.Opaque(info, size)
    if len(nested) == 1:
        # WITH_TMP, and an info whose put writes one description and nothing else.
        return t.WithTmp(info, nested[0], nested[0].version_id)
    if info == "buffer":
        return t.Buffer(info, size)
    if info == "unused_buffer":
        return t.Unused(info, size)
    if info == "bitmap" and size % 8 == 0:
        return t.Bitmap(info, size * 8)
    return t.Opaque(info, size)


def _tree(size: int, nested: Sequence[VMStateDescription]) -> t.GTree | None:
    """A tree with a direct key has one description for each node, another has two."""
    keys, values = nested[0::2], nested[1::2]
    uniform = all(vmsd is keys[0] for vmsd in keys) and all(vmsd is values[0] for vmsd in values)
    if uniform and len(keys) == len(values) and keys[0] is not values[0]:
        return t.GTree("gtree", keys[0], values[0], values[0].version_id)
    if all(vmsd is nested[0] for vmsd in nested):
        return t.GTree("gtree", None, nested[0], nested[0].version_id)
    return None


PLAIN_INFOS = frozenset(
    ("pci config", "pcie config", "pci irq state", "msix state", "cpsr", "fpscr", "powered_off", "capability")
)
"""Infos that QEMU does not open and that hold nothing but one value: as bytes they say all there is."""


def hides_something(vmsd: VMStateDescription) -> bool:
    """Whether a description from vmdesc has an info in it whose inside only a library knows."""
    hides_any: bool | None = vmsd.compiled.get("hides")
    if hides_any is None:
        hides_any = any(hides(field.type) for field in vmsd.branches() if not isinstance(field.type, t.Scalar)) or any(
            hides_something(sub.vmsd) for sub in vmsd.subsections
        )
        vmsd.compiled["hides"] = hides_any
    return hides_any


def says_null_for_all(vmsd: VMStateDescription) -> bool:
    """Whether an array of pointers is described by its first element alone, a NULL, as it is before 10.0."""
    return any(kind.info == "struct" for kind in _kinds_of_arrays(vmsd) if isinstance(kind, t.Nullptr))


def may_hide_pointers(vmsd: VMStateDescription) -> bool:
    """Whether an array in it may be one of pointers, some of them NULL, which shows otherwise before 10.0.

    Then it is described by its first element alone: as an array of structs, or where that is a NULL as one of NULLs.
    """
    may_hide: bool | None = vmsd.compiled.get("may_hide_pointers")
    if may_hide is None:
        may_hide = any(isinstance(kind, t.Struct) for kind in _kinds_of_arrays(vmsd)) or says_null_for_all(vmsd)
        vmsd.compiled["may_hide_pointers"] = may_hide
    return may_hide


def _kinds_of_arrays(vmsd: VMStateDescription) -> Iterator[t.WireType]:
    """Of all arrays in it but those of scalars."""
    return (field.type for part in vmsd.walk() for field in part.branches() if field.compressed)


def hides(kind: t.WireType) -> bool:
    """Whether a wire type from vmdesc has an info in it whose inside only a library knows."""
    if isinstance(kind, t.Opaque):
        return kind.info not in PLAIN_INFOS
    return any(hides_something(child) for child in kind.children())
