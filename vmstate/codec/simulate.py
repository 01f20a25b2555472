"""What QEMU does with a description and a device that is there: load into it, save from it.

Decoding makes a state out of bytes and runs nothing. Here the object is the device (`opaque`, in QEMU's word): any
object with the attributes, or a `State`. Fields are assigned one by one, conditions read what the object holds at that
moment, hooks run. The order of all that is the one of QEMU's migration/vmstate.c and vmstate-types.c.

A hook fails by an exception or by a result that is an int and not 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from vmstate.codec.arrays import counted
from vmstate.codec.compile import compile_present
from vmstate.codec.elements import FOLLOWS, NULL, as_list, as_pair, byte_at, element, nullptr, number
from vmstate.codec.plan import FAST, Place, Put, Step
from vmstate.codec.runtime import Context, Frame, enter, leave, refuse
from vmstate.codec.structs import check_version, find_subsection, peek_subsection, subsection_header
from vmstate.errors import DecodeError, DescriptionError, EncodeError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import default_value, nested
from vmstate.vmsd.description import Field, Pointers, Subsection, VMStateDescription, state_keys
from vmstate.vmsd.expr import DESTINATION, UNKNOWN, Expr, Fact, Own
from vmstate.vmsd.rule import judge
from vmstate.vmsd.state import State, facts_of

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

PARENT = "parent"
"""The attribute of a WITH_TMP struct that leads back to the device."""


class Device(Frame):
    """One object while it is loaded or saved: the scope of the expressions of its description."""

    __slots__ = ("before", "opaque", "vmsd")

    def __init__(
        self, ctx: Context, vmsd: VMStateDescription, opaque: Any, outer: Frame | None, version_id: int
    ) -> None:
        super().__init__(ctx, {}, outer, version_id)
        self.vmsd = vmsd
        self.opaque = opaque
        # What it has of its own, which rules compare with what is loaded: as it was before the load.
        self.before: Mapping[tuple[str, ...], Any] = {}

    def own_value(self, names: tuple[str, ...]) -> Any:
        return self.before.get(names, UNKNOWN)

    def has_own(self) -> Any:
        return () in self.before

    def fact(self, fact: Fact) -> Any:
        # What an object has can be another thing when it is asked again.
        self.derived = None
        return super().fact(fact)

    def value(self, name: str) -> Any:
        return self.get(name, UNKNOWN)

    def get(self, name: str, otherwise: Any = None) -> Any:
        """What the object has under a name."""
        if isinstance(self.opaque, dict):
            return self.opaque.get(name, otherwise)
        return getattr(self.opaque, name, otherwise)

    def set(self, name: str, value: Any) -> None:
        """Assign to the object."""
        assign(self.opaque, name, value)


def assign(opaque: Any, name: str, value: Any) -> None:
    """Set an attribute, or an item of a `State`."""
    try:
        if isinstance(opaque, dict):
            opaque[name] = value
        else:
            setattr(opaque, name, value)
    except (AttributeError, TypeError) as error:
        raise VMStateError(f"{type(opaque).__name__} cannot take {name!r}: {error}") from None


def load_state(
    vmsd: VMStateDescription,
    data: BytesLike,
    opaque: Any,
    version_id: int | None = None,
    *,
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Load `data` (bytes-like) into an object, as a destination does, and return how many bytes that took.

    `version_id` is the one in the section's header (default: the description's own). Facts are those set on the
    object, and those given here: what the destination has beyond the object ("qemu_release", "guest_memory",
    "own_state": a state of the whole device) judges the rules that need it. Raises `VMStateError`; what was loaded
    until then stays loaded.
    """
    known = {DESTINATION.name: True, **facts_of(opaque), **(facts or {})}
    ctx = Context(memoryview(data).cast("B"), facts=known)
    version = vmsd.version_id if version_id is None else version_id
    with _with_path(ctx):
        return _load(ctx, vmsd, opaque, version, 0, None)


def save_state(vmsd: VMStateDescription, opaque: Any, *, facts: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of an object, as a source saves it. Raises `VMStateError`."""
    ctx = Context(b"", facts={**facts_of(opaque), **(facts or {})})
    out = bytearray()
    with _with_path(ctx):
        _save(ctx, vmsd, opaque, vmsd.version_id, out, None)
    return bytes(out)


@contextmanager
def _with_path(ctx: Context) -> Iterator[None]:
    """Say in errors where they happened."""
    ctx.path = []
    try:
        yield
    except VMStateError as error:
        error.path = error.path or ctx.where()
        raise


def _run_hook(ctx: Context, vmsd: VMStateDescription, name: str, failure: type[VMStateError], *arguments: Any) -> None:
    hook = getattr(vmsd, name)
    if hook is None:
        return
    try:
        result = hook(*arguments)
    except VMStateError:
        raise
    except Exception as error:
        raise failure(f"{name} of {vmsd.name!r} failed: {error}", path=ctx.where()) from error
    if isinstance(result, int) and result != 0:
        raise failure(f"{name} of {vmsd.name!r} failed", path=ctx.where(), found=str(result))


def _new_object(vmsd: VMStateDescription) -> Any:
    """An object of a description, as it is when a device is made."""
    if vmsd.state_class is not None:
        return vmsd.state_class()
    values = dict.fromkeys(state_keys(vmsd))
    for field in vmsd.fields:
        if field.in_state and field.exists is None:
            values[field.attribute] = default_value(field)
    return State(values)


def _refuse_repeated_names(vmsd: VMStateDescription) -> None:
    # A State gathers them into one list, of which no field has a part of its own.
    members = sum(field.in_state for field in vmsd.fields) + len(vmsd.subsections)
    if members != len(state_keys(vmsd)):
        raise DescriptionError(f"{vmsd.name!r} has fields of one name, which no object can hold apart")


def _exists(device: Device, field: Field, pos: int) -> bool:
    if isinstance(field.type, t.Host):
        return False
    if field.exists is None:
        return field.version <= device.version_id
    return _is_condition_met(device, field.exists, field.name, pos)


def _is_condition_met(device: Device, condition: Expr, name: str, pos: int) -> bool:
    value = condition.evaluate(device)
    if value is UNKNOWN:
        raise device.ctx.wrong(f"whether {name!r} is there is not known: {condition}", pos)
    return bool(value)


def _codec_of_leaf(vmsd: VMStateDescription, place: int) -> tuple[Step, Put] | None:
    """How the codec reads and writes a field without structs inside; None for other fields."""
    field = vmsd.fields[place]
    if field.type.children() or field.pointers is not None:
        return None
    key = ("leaf", place)
    if key not in vmsd.compiled:
        vmsd.compiled[key] = compile_present(Place(field, 0, field.attribute), FAST)[:2]
    leaf: tuple[Step, Put] = vmsd.compiled[key]
    return leaf


def _chosen_type(device: Device, kind: t.Choice, pos: int) -> t.WireType:
    value = kind.on.evaluate(device)
    for case, case_kind in kind.cases:
        if case == value:
            return case_kind.resolve() if isinstance(case_kind, t.Later) else case_kind
    raise device.ctx.wrong(f"{kind.on} selects nothing", pos, found=repr(value))


# Loading.


def _load(
    ctx: Context,
    vmsd: VMStateDescription,
    opaque: Any,
    version_id: int,
    pos: int,
    outer: Frame | None,
    *,
    is_new: bool = False,
) -> int:
    """Load into an object; one that `is_new` was made for the load, and there is nothing in it to compare with."""
    check_version(ctx, vmsd, version_id, pos)
    _refuse_repeated_names(vmsd)
    _run_hook(ctx, vmsd, "pre_load", DecodeError, opaque)
    device = Device(ctx, vmsd, opaque, outer, version_id)
    if not is_new:
        device.before = _values_before(vmsd, opaque)
    for place, field in enumerate(vmsd.fields):
        enter(ctx, field.attribute)
        if _exists(device, field, pos):
            pos = _load_field(device, place, pos)
        leave(ctx)
    pos = _load_subsections(device, pos)
    _apply_rules(device, pos)
    _run_hook(ctx, vmsd, "post_load", DecodeError, opaque, version_id)
    return pos


def _apply_rules(device: Device, pos: int) -> None:
    for rule in (*(rule for field in device.vmsd.fields for rule in field.rules), *device.vmsd.rules):
        broken = None if rule.mended else judge(rule, device, device.ctx.facts)
        if broken is not None and broken.is_judged:
            raise device.ctx.wrong(f"{rule.id}: {broken.text}", pos, repr(rule.holds))


@cache
def _compared_names(vmsd: VMStateDescription) -> tuple[tuple[str, ...], ...]:
    """The names under which the rules of a struct look for what the device has."""
    rules = (*(rule for field in vmsd.fields for rule in field.checks), *vmsd.rules)
    parts = (part for rule in rules for part in rule.holds.walk())
    return tuple(dict.fromkeys(part.names_ for part in parts if isinstance(part, Own)))


def _values_before(vmsd: VMStateDescription, opaque: Any) -> dict[tuple[str, ...], Any]:
    """What the device has of that before it is loaded into."""
    values = {}
    for names in _compared_names(vmsd):
        value = opaque
        for name in names:
            value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        if value is not None:
            values[names] = list(value) if isinstance(value, list) else value
    return values


def _load_field(device: Device, place: int, pos: int) -> int:
    field = device.vmsd.fields[place]
    leaf = _codec_of_leaf(device.vmsd, place)
    if leaf is None:
        value, pos = _load_compound(device, field, pos)
        if not isinstance(field.type, t.WithTmp) or not _has_parent(field.type.vmsd):
            device.set(field.attribute, value)
        return pos
    loaded: list[Any] = []
    device.values = loaded
    end = leaf[0](device.ctx, device, pos, loaded)
    if field.in_state and _is_assigned(device, field, loaded[0], pos):
        device.set(field.attribute, loaded[0])
    return end


def _is_assigned(device: Device, field: Field, value: Any, pos: int) -> bool:
    """Whether the loaded value is assigned. One that is only compared is not."""
    relation = field.type.rule if isinstance(field.type, t.Scalar) else None
    if relation is None:
        return True
    broken = judge(field.checks[0], _WithLoadedValue(device, value), device.ctx.facts)
    if broken is not None:
        hint = "" if field.err_hint is None else f": {field.err_hint}"
        what = "not what the device has" if relation == "equal" else "not between 0 and what the device has"
        local = device.get(field.attribute)
        raise device.ctx.wrong(f"{field.name}: {what}{hint}", pos, f"{local!r}", f"{value!r}")
    return relation != "equal"


class _WithLoadedValue(Device):
    """The device while a value of one field is only compared with what it has there."""

    __slots__ = ("offered",)

    def __init__(self, device: Device, offered: Any) -> None:
        super().__init__(device.ctx, device.vmsd, device.opaque, device.outer, device.version_id)
        self.offered = offered

    def value(self, name: str) -> Any:
        return self.offered

    def own_value(self, names: tuple[str, ...]) -> Any:
        return self.get(names[0])


def _load_compound(device: Device, field: Field, pos: int) -> tuple[Any, int]:
    """A field with structs inside, or an array of pointers. Objects that are there are loaded into."""
    ctx, device_value = device.ctx, device.get(field.attribute)
    if field.count is None:
        return _load_element(device, field, field.type, device_value, pos)
    elements = number(ctx, device, field.count, "count", pos)
    held = _flattened(device_value, field.dims)
    if field.pointers is Pointers.NULL_MARKER and len(held) != elements:
        raise ctx.wrong("the device has not as many pointers", pos, f"{elements}", f"{len(held)}")
    loaded: list[Any] = []
    for index in range(elements):
        enter(ctx, index)
        before = pos
        value, pos = _load_pointed(device, field, held[index] if index < len(held) else None, pos)
        if pos == before:
            ctx.count_empty(1, pos)
        loaded.append(value)
        leave(ctx)
    return nested(loaded, field.dims), pos


def _flattened(value: Any, dims: tuple[int, ...] | None) -> list[Any]:
    flat = [] if value is None else list(value)
    for _ in (dims or ())[1:]:
        flat = [element for row in flat for element in row]
    return flat


def _load_pointed(device: Device, field: Field, device_value: Any, pos: int) -> tuple[Any, int]:
    """One element of an array, which can be behind a pointer."""
    ctx = device.ctx
    if field.pointers is Pointers.NULL_MARKER and device_value is None:
        return None, nullptr().read(ctx, device, pos, [])
    if field.pointers is Pointers.ALL_MARKED:
        marker = byte_at(ctx, pos)
        if marker not in (NULL, FOLLOWS):
            raise ctx.wrong("not the marker of a pointer", pos, "0x30 or 0x31", f"{marker:#04x}")
        pos += 1
        if marker == NULL:
            return None, pos
    return _load_element(device, field, field.type, device_value, pos)


def _load_element(device: Device, field: Field, kind: t.WireType, device_value: Any, pos: int) -> tuple[Any, int]:
    """One element: the object it was loaded into, or its value."""
    match kind:
        case t.WithTmp() if _has_parent(kind.vmsd):
            tmp = _new_tmp(kind.vmsd, device.opaque)
            return None, _load(device.ctx, kind.vmsd, tmp, kind.vmsd.version_id, pos, device)
        case t.QList():
            return _load_list(device, kind, device_value, pos)
        case t.Struct():
            version_id = kind.vmsd.version_id if kind.version is None else kind.version
            return _load_struct(device, kind.vmsd, version_id, device_value, pos)
        case t.GTree():
            return _load_tree(device, kind, device_value, pos)
        case t.KeyedList():
            return _load_keyed_list(device, kind, pos)
        case t.Choice():
            return _load_element(device, field, _chosen_type(device, kind, pos), device_value, pos)
    loaded: list[Any] = []
    pos = element(kind, FAST).read(device.ctx, device, pos, loaded)
    return loaded[0], pos


def _load_struct(
    device: Device, vmsd: VMStateDescription, version_id: int, device_value: Any, pos: int
) -> tuple[Any, int]:
    into = _new_object(vmsd) if device_value is None else device_value
    return into, _load(device.ctx, vmsd, into, version_id, pos, device, is_new=device_value is None)


def _has_parent(vmsd: VMStateDescription) -> bool:
    """Whether a WITH_TMP struct leads back to the device. Any other is a part of the device, as a plain struct is."""
    return PARENT in state_keys(vmsd)


def _new_tmp(vmsd: VMStateDescription, opaque: Any) -> Any:
    tmp = _new_object(vmsd)
    assign(tmp, PARENT, opaque)
    return tmp


def _load_list(device: Device, kind: t.QList, device_value: Any, pos: int) -> tuple[Any, int]:
    """The elements join those that are there: behind them in a QTAILQ, before them in a QLIST."""
    ctx = device.ctx
    loaded: list[Any] = []
    assert kind.version is not None
    while byte_at(ctx, pos):
        enter(ctx, len(loaded))
        element, pos = _load_struct(device, kind.vmsd, kind.version, None, pos + 1)
        leave(ctx)
        loaded.append(element)
    held = list(device_value or ())
    return ([*loaded, *held] if kind.info == "qlist" else [*held, *loaded]), pos + 1


def _load_tree(device: Device, kind: t.GTree, device_value: Any, pos: int) -> tuple[Any, int]:
    """The nodes join those that are there; one with an equal key is replaced."""
    ctx = device.ctx
    told: list[Any] = []
    start, pos = pos, element(t.UINT32, FAST).read(ctx, device, pos, told)
    pairs = list(device_value or ())
    seen = 0
    while byte_at(ctx, pos):
        enter(ctx, seen)
        seen += 1
        if seen > told[0]:
            break
        if kind.key is None:
            read: list[Any] = []
            pos = element(t.UINT64, FAST).read(ctx, device, pos + 1, read)
            key = read[0]
        else:
            key, pos = _load_struct(device, kind.key, kind.version, None, pos + 1)
        value, pos = _load_struct(device, kind.value, kind.version, None, pos)
        leave(ctx)
        pairs = [pair for pair in pairs if pair[0] != key]
        pairs.append((key, value))
    if seen != told[0]:
        raise ctx.wrong("the tree has not as many nodes as it says", start, f"{told[0]}", f"{seen}")
    return pairs, pos + 1


def _load_keyed_list(device: Device, kind: t.KeyedList, pos: int) -> tuple[Any, int]:
    ctx, key = device.ctx, element(kind.key, FAST)
    loaded: list[Any] = []
    while True:
        peeked: list[Any] = []
        behind = key.read(ctx, device, pos, peeked)
        if kind.is_end(peeked[0]):
            return loaded, behind
        enter(ctx, len(loaded))
        entry, pos = _load_struct(device, kind.vmsd, kind.vmsd.version_id, None, pos)
        leave(ctx)
        loaded.append(entry)


def _load_subsections(device: Device, pos: int) -> int:
    """In QEMU a subsection is loaded into the device itself; here into the part of it that has its attributes."""
    ctx = device.ctx
    while (name := peek_subsection(ctx, device.vmsd, pos)) is not None:
        _, sub = find_subsection(ctx, device.vmsd, name, pos)
        enter(ctx, sub.attribute)
        body = pos + 6 + len(name)
        if body > ctx.end:
            raise ctx.short(body - 4, 4)
        # QEMU keeps the version in eight bits.
        version_id = ctx.data[body - 1]
        check_version(ctx, sub.vmsd, version_id, body - 4)
        part = device.get(sub.attribute)
        is_new = part is None
        if is_new:
            part = _new_object(sub.vmsd)
            device.set(sub.attribute, part)
        pos = _load(ctx, sub.vmsd, part, version_id, body, device, is_new=is_new)
        leave(ctx)
    return pos


# Saving.


def _save(
    ctx: Context, vmsd: VMStateDescription, opaque: Any, version_id: int, out: bytearray, outer: Frame | None
) -> None:
    _refuse_repeated_names(vmsd)
    _run_hook(ctx, vmsd, "pre_save", EncodeError, opaque)
    device = Device(ctx, vmsd, opaque, outer, version_id)
    try:
        for place, field in enumerate(vmsd.fields):
            enter(ctx, field.attribute)
            if _exists(device, field, len(out)):
                _save_field(device, place, out)
            leave(ctx)
        for sub in vmsd.subsections:
            _save_subsection(device, sub, out)
    except VMStateError as error:
        error.path = error.path or ctx.where()
        with suppress(VMStateError):
            _run_hook(ctx, vmsd, "post_save", EncodeError, opaque)
        raise
    _run_hook(ctx, vmsd, "post_save", EncodeError, opaque)


def _save_field(device: Device, place: int, out: bytearray) -> None:
    field = device.vmsd.fields[place]
    leaf = _codec_of_leaf(device.vmsd, place)
    value = device.get(field.attribute) if field.in_state else None
    if leaf is not None:
        device.values = [value]
        leaf[1](device.ctx, device, out)
    elif field.count is None:
        _save_element(device, field.type, value, out)
    else:
        for index, element in enumerate(counted(device.ctx, device, field, value, len(out))):
            enter(device.ctx, index)
            if field.pointers is Pointers.ALL_MARKED or (field.pointers is not None and element is None):
                out.append(NULL if element is None else FOLLOWS)
            if element is not None or field.pointers is None:
                _save_element(device, field.type, element, out)
            leave(device.ctx)


def _save_element(device: Device, kind: t.WireType, value: Any, out: bytearray) -> None:
    match kind:
        case t.WithTmp() if _has_parent(kind.vmsd):
            tmp = _new_tmp(kind.vmsd, device.opaque)
            _save_struct(device, kind.vmsd, kind.vmsd.version_id, tmp, out)
        case t.QList():
            # QEMU writes the elements at their own version, and reads them at the field's.
            for one in as_list(device.ctx, value):
                out.append(1)
                _save_struct(device, kind.vmsd, kind.vmsd.version_id, one, out)
            out.append(0)
        case t.Struct():
            version_id = kind.vmsd.version_id if kind.version is None else kind.version
            _save_struct(device, kind.vmsd, version_id, value, out)
        case t.GTree():
            _save_tree(device, kind, value, out)
        case t.KeyedList():
            for entry in as_list(device.ctx, value):
                _save_struct(device, kind.vmsd, kind.vmsd.version_id, entry, out)
            element(kind.key, FAST).write(device.ctx, device, kind.end, out)
        case t.Choice():
            _save_element(device, _chosen_type(device, kind, len(out)), value, out)
        case _:
            element(kind, FAST).write(device.ctx, device, value, out)


def _save_struct(device: Device, vmsd: VMStateDescription, version_id: int, value: Any, out: bytearray) -> None:
    if value is None:
        raise refuse(device.ctx, value, f"an object of {vmsd.name!r}")
    _save(device.ctx, vmsd, value, version_id, out, device)


def _save_tree(device: Device, kind: t.GTree, value: Any, out: bytearray) -> None:
    out += len(as_list(device.ctx, value)).to_bytes(4, "big")
    for pair in value:
        out.append(1)
        key, node = as_pair(device.ctx, pair)
        if kind.key is None:
            element(t.UINT64, FAST).write(device.ctx, device, key, out)
        else:
            _save_struct(device, kind.key, kind.key.version_id, key, out)
        _save_struct(device, kind.value, kind.value.version_id, node, out)
    out.append(0)


def _save_subsection(device: Device, sub: Subsection, out: bytearray) -> None:
    ctx, part = device.ctx, device.get(sub.attribute)
    if not _needed(device, sub, part, len(out)):
        return
    enter(ctx, sub.attribute)
    out += subsection_header(sub.vmsd, sub.vmsd.version_id)
    _save_struct(device, sub.vmsd, sub.vmsd.version_id, part, out)
    leave(ctx)


def _needed(device: Device, sub: Subsection, part: Any, pos: int) -> bool:
    """Whether a subsection is sent: by what the device says, or by what the subsection does, or if it has a state."""
    if sub.needed is not None:
        return _is_condition_met(device, sub.needed, sub.attribute, pos)
    if sub.vmsd.needed is None or part is None:
        return part is not None
    return _is_condition_met(
        Device(device.ctx, sub.vmsd, part, device, sub.vmsd.version_id), sub.vmsd.needed, sub.attribute, pos
    )
