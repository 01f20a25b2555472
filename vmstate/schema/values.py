"""States as JSON values and back.

A struct is an object by attribute, bytes are lower-case hex, integers are numbers, a tree is a list of [key, value].
What a state carries beside its values (the version it was read at, facts, residue, odd subsection headers) stands
under the key "#", so that nothing is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from vmstate.codec.elements import OddList
from vmstate.codec.records import Records
from vmstate.codec.states import constant_count
from vmstate.errors import SchemaError
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import nested
from vmstate.vmsd.description import Field, Subsection, VMStateDescription, state_attributes
from vmstate.vmsd.state import META, Meta, SentSubsection, State, ensure_meta, is_state, items_of, meta_of

BESIDE = "#"


def plain_value(value: Any) -> Any:
    """What Python's json module asks for what it does not know: the values alone, for reading."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value.hex()
    if is_state(value):
        return dict(items_of(value))
    if isinstance(value, Records):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(type(value).__name__)


def to_plain(value: Any) -> Any:
    """A state as JSON values, with what it carries beside them."""
    if is_state(value):
        plain = {name: to_plain(inner) for name, inner in items_of(value)}
        beside = _beside(meta_of(value))
        return {BESIDE: beside, **plain} if beside else plain
    if isinstance(value, OddList):
        return {BESIDE: {"markers": value.markers_for().hex()}, "elements": [to_plain(element) for element in value]}
    if isinstance(value, (list, tuple, Records)):
        return [to_plain(element) for element in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return value


def _beside(meta: Meta | None) -> dict[str, Any]:
    if meta is None:
        return {}
    beside: dict[str, Any] = {}
    if meta.version_id is not None:
        beside["version_id"] = meta.version_id
    if meta.facts:
        beside["facts"] = dict(meta.facts)
    if meta.residue:
        beside["residue"] = {name: [raw.hex(), to_plain(value)] for name, (raw, value) in meta.residue.items()}
    if meta.subsections is not None:
        beside["subsections"] = [
            [sent.number, sent.attribute, sent.header.hex(), None if sent.earlier is None else sent.earlier.hex()]
            for sent in meta.subsections
        ]
    return beside


def from_plain(vmsd: VMStateDescription, plain: Any, path: str = "") -> Any:
    """The state that JSON values stand for. Raises `SchemaError` with the path of what is wrong."""
    if not isinstance(plain, dict):
        raise _wrong(path, "an object", plain)
    known = Counter(state_attributes(vmsd))
    for name in plain:
        if name not in known and name != BESIDE:
            raise SchemaError(f"{vmsd.name!r} has no {name!r}", path=path or None)
    values: dict[str, Any] = {}
    for field in vmsd.fields:
        if not field.in_state or field.attribute in values:
            continue
        if field.attribute not in plain:
            raise SchemaError("a value is missing", path=_join(path, field.attribute))
        where = _join(path, field.attribute)
        if known[field.attribute] > 1:
            values[field.attribute] = _gathered(vmsd, field.attribute, plain[field.attribute], where)
        else:
            values[field.attribute] = field_from_plain(field, plain[field.attribute], where)
    for sub in vmsd.subsections:
        if sub.attribute in values:
            continue
        inner, where = plain.get(sub.attribute), _join(path, sub.attribute)
        if known[sub.attribute] > 1:
            values[sub.attribute] = _gathered(vmsd, sub.attribute, inner, where)
        else:
            values[sub.attribute] = _sent_state(sub, inner, where)
    state = State(values) if vmsd.state_class is None else vmsd.state_class(**values)
    if BESIDE in plain:
        _put_beside(vmsd, state, plain[BESIDE], path)
    return state


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, expected: str, found: Any) -> SchemaError:
    text = repr(found)
    return SchemaError("the value cannot be read", path=path or None, expected=expected, found=text[:60])


def _put_beside(vmsd: VMStateDescription, state: Any, beside: Any, path: str) -> None:
    meta = ensure_meta(state)
    try:
        if type(version_id := beside.get("version_id", 0)) is not int or not 0 <= version_id < 1 << 32:
            raise TypeError("a version_id is a number of 32 bits")
        meta.version_id = beside.get("version_id")
        meta.facts = dict(beside.get("facts", {}).items())
        meta.residue = {
            name: (bytes.fromhex(raw), bytes.fromhex(value) if isinstance(value, str) else value)
            for name, (raw, value) in beside.get("residue", {}).items()
        }
        odd = beside.get("subsections")
        if odd is not None:
            meta.subsections = [_sent(vmsd, *sent) for sent in odd]
    except (AttributeError, TypeError, ValueError) as error:
        raise SchemaError(f"what stands under {BESIDE!r} cannot be read: {error}", path=path or None) from None
    if meta.is_empty():
        object.__setattr__(state, META, None)


def _sent(vmsd: VMStateDescription, number: Any, attribute: Any, header: Any, earlier: Any) -> SentSubsection:
    if type(number) is not int or attribute not in [sub.attribute for sub in vmsd.subsections[number : number + 1]]:
        raise ValueError(f"there is no subsection {attribute!r} with number {number!r}")
    return SentSubsection(number, attribute, bytes.fromhex(header), None if earlier is None else bytes.fromhex(earlier))


def _sent_state(sub: Subsection, plain: Any, path: str) -> Any:
    """The state of a subsection, None where it was not sent."""
    return None if plain is None else from_plain(sub.vmsd, plain, path)


def _gathered(vmsd: VMStateDescription, attribute: str, plain: Any, path: str) -> list[Any]:
    """A name that repeats: what all its fields and subsections hold in one list, arrays of a constant count spread."""
    left = iter(_elements(plain, path))
    values: list[Any] = []
    for field in vmsd.fields:
        if field.attribute != attribute or not field.in_state:
            continue
        count = constant_count(vmsd, field)
        for element in islice(left, 1 if count is None else count):
            where = f"{path}[{len(values)}]"
            if count is None:
                values.append(field_from_plain(field, element, where))
            else:
                values.append(_array_element(field, element, where))
    for sub in vmsd.subsections:
        if sub.attribute == attribute:
            values += [_sent_state(sub, element, f"{path}[{len(values)}]") for element in islice(left, 1)]
    if more := len(list(left)):
        raise SchemaError("too many elements", path=path, found=str(more))
    return values


def _array_element(field: Field, plain: Any, path: str) -> Any:
    """An element of an array; None for a NULL among pointers."""
    return None if plain is None and field.pointers is not None else element_from_plain(field.type, plain, path)


def field_from_plain(field: Field, plain: Any, path: str = "") -> Any:
    """The value of a field that JSON values stand for. Raises `SchemaError`."""
    if plain is None:
        return None
    if field.count is None:
        value = element_from_plain(field.type, plain, path)
        return value if field.value is None else field.value(value)
    flat = list(_elements(plain, path))
    for _ in (field.dims or ())[1:]:
        flat = [element for row in flat for element in _elements(row, path)]
    values = [_array_element(field, element, f"{path}[{index}]") for index, element in enumerate(flat)]
    if field.value is not None:
        values = [field.value(element) for element in values]
    return nested(values, field.dims)


def _elements(plain: Any, path: str) -> Iterable[Any]:
    if not isinstance(plain, list):
        raise _wrong(path, "a list", plain)
    return plain


def element_from_plain(kind: t.WireType, plain: Any, path: str = "") -> Any:
    """One element that JSON values stand for. Raises `SchemaError`."""
    match kind:
        case t.Scalar(code="?"):
            if not isinstance(plain, bool):
                raise _wrong(path, "true or false", plain)
            return plain
        case t.Scalar() | t.Bitmap():
            if not isinstance(plain, int) or isinstance(plain, bool):
                raise _wrong(path, "an integer", plain)
            return plain
        case t.Nullptr() | t.Host():
            return plain
        case t.CountedString() | t.Text():
            if not isinstance(plain, str):
                raise _wrong(path, "text", plain)
            return plain
        case t.Buffer():
            return _bytes(plain, path)
        case t.Chunks():
            return [_bytes(element, path) for element in _elements(plain, path)]
        case t.QList(vmsd=vmsd) | t.KeyedList(vmsd=vmsd):
            return _marked(plain, path, lambda element, where: from_plain(vmsd, element, where))
        case t.GTree():
            return _marked(plain, path, lambda element, where: _node(kind, element, where))
        case t.Struct(vmsd=vmsd):
            return from_plain(vmsd, plain, path)
        case t.Later():
            return element_from_plain(kind.resolve(), plain, path)
        case t.Choice(cases=cases):
            return _chosen([case for _, case in cases], plain, path)
    raise _wrong(path, "a value that is on the wire", plain)


def _bytes(plain: Any, path: str) -> bytes:
    try:
        return bytes.fromhex(plain)
    except (TypeError, ValueError):
        raise _wrong(path, "bytes in hex", plain) from None


def _marked(plain: Any, path: str, make: Any) -> list[Any]:
    markers = None
    if isinstance(plain, dict) and BESIDE in plain:
        beside = plain[BESIDE]
        markers = _bytes(beside.get("markers") if isinstance(beside, dict) else beside, path)
        plain = plain.get("elements")
    values = [make(element, f"{path}[{index}]") for index, element in enumerate(_elements(plain, path))]
    if markers is None:
        return values
    odd = OddList(values)
    odd.markers = markers
    return odd


def _node(kind: t.GTree, plain: Any, path: str) -> tuple[Any, Any]:
    pair = list(_elements(plain, path))
    if len(pair) != 2:
        raise _wrong(path, "a key and a value", plain)
    key = element_from_plain(t.UINT64, pair[0], path) if kind.key is None else from_plain(kind.key, pair[0], path)
    return key, from_plain(kind.value, pair[1], path)


def _chosen(cases: list[t.WireType], plain: Any, path: str) -> Any:
    """The first case that the value fits; which one is written is for the expression to say."""
    failure: SchemaError | None = None
    for case in cases:
        try:
            return element_from_plain(case, plain, path)
        except SchemaError as error:
            failure = failure or error
    raise failure or _wrong(path, "one of several values", plain)
