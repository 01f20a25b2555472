"""Text into values: what a user writes in the place of a value, by that value and by the field it is in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntFlag
from typing import Any, get_args

from vmstate.codec.records import Records
from vmstate.errors import EncodeError
from vmstate.schema.values import element_from_plain, field_from_plain, from_plain
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Subsection
from vmstate.vmsd.state import State, is_state, items_of

_OCTETS = r"(?i:[0-9a-f]{2}([:-][0-9a-f]{2})+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
"""Bytes with colons or dashes between them, or a UUID."""

_TRUTH = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def value_from_text(text: str, before: Any, field: Field | Subsection | None, hint: Any) -> Any:
    """What a text means in the place of a value, by that value and by the field it is in. Raises `VMStateError`."""
    stripped = text.strip()
    if stripped == "null":
        return _refuse_none(field)
    if stripped[:1] in ("{", "[", '"') and not isinstance(before, str):
        return _from_json(stripped, field)
    if isinstance(field, Subsection) or is_state(before):
        return _only_member_from_text(text, before, field)
    if isinstance(before, (set, frozenset)):
        return type(before)(elements_from_text(text, before, field, hint))
    if isinstance(before, (list, Records)) or (before is None and field is not None and field.count is not None):
        return elements_from_text(text, before or [], field, hint)
    if before is None and field is not None:
        before = _example_value(field.type, field.value)
    return _plain_from_text(text, before)


def _only_member_from_text(text: str, before: Any, field: Field | Subsection | None) -> Any:
    """A struct that holds nothing but one field, such as a UUID: its value stands for it."""
    kind = field.type if isinstance(field, Field) else None
    vmsd = field.vmsd if isinstance(field, Subsection) else kind.vmsd if isinstance(kind, t.Struct) else None
    members = [] if vmsd is None else [member for member in vmsd.fields if member.in_state]
    if vmsd is None or len(members) != 1 or vmsd.subsections:
        raise EncodeError("a struct is written as JSON", expected="{...} or null", found=repr(text)[:60])
    (member,) = members
    inner = None if before is None else dict(items_of(before))[member.attribute]
    values = {member.attribute: value_from_text(text, inner, member, None)}
    return State(values) if vmsd.state_class is None else vmsd.state_class(**values)


def _refuse_none(field: Field | Subsection | None) -> None:
    if isinstance(field, Field) and field.exists is None and field.pointers is None:
        raise EncodeError("this is always sent", expected="a value")


def _from_json(text: str, field: Field | Subsection | None) -> Any:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EncodeError(f"the value is not JSON: {error}") from None
    if field is None:
        return plain
    return from_plain(field.vmsd, plain) if isinstance(field, Subsection) else field_from_plain(field, plain)


def elements_from_text(text: str, before: Iterable[Any], field: Field | Subsection | None, hint: Any) -> list[Any]:
    """The elements of an array from text: values with commas between them, structs as JSON, an address or a UUID.

    `before` are the elements that it has, `hint` the type of the attribute; they tell the type where the field does
    not. Raises `EncodeError` for a text that is no such value.
    """
    kind = field.type if isinstance(field, Field) else None
    if isinstance(kind, t.Scalar) and kind.size == 1 and re.fullmatch(_OCTETS, text.strip()):
        # An address or a UUID, in the way in which everybody writes them.
        return list(_bytes_from_text(text.strip(), bytes))
    words = [word.strip() for word in re.split(r"[,|]", text.strip().removeprefix("[").removesuffix("]"))]
    example = next(iter(before), None)
    if example is None and get_args(hint):
        example = get_args(hint)[0]()
    if text.strip().startswith("{") or is_state(example):
        try:
            plain = json.loads(f"[{text}]")
        except (ValueError, RecursionError) as error:
            raise EncodeError(f"a struct is written as JSON: {error}") from None
        assert isinstance(field, Field)
        return [element_from_plain(field.type, element) for element in plain]
    if example is None and isinstance(field, Field):
        example = _example_value(field.type, field.value)
    try:
        return [] if words == [""] else [_plain_from_text(word, example) for word in words]
    except EncodeError:
        if not (isinstance(kind, t.Scalar) and kind.size == 1):
            raise
        expected = "numbers with commas between them, an address or a UUID"
        raise EncodeError("the value cannot be read", expected=expected, found=repr(text)[:60]) from None


def _example_value(kind: t.WireType, value: Any) -> Any:
    """A value of a type, where there is none to go by."""
    if isinstance(kind, (t.Text, t.CountedString)):
        return ""
    if isinstance(kind, (t.Buffer, t.Chunks)):
        return b"" if value is None else value()
    plain = False if isinstance(kind, t.Scalar) and kind.code == "?" else 0
    return plain if value is None else value(plain)


def _plain_from_text(text: str, like: Any) -> Any:
    """A scalar, bytes or text, of the kind of another."""
    text = text if isinstance(like, str) else text.strip()
    match like:
        case bool():
            if text.lower() not in _TRUTH:
                raise EncodeError("the value cannot be read", expected="true or false", found=repr(text))
            return _TRUTH[text.lower()]
        case IntFlag():
            return _flags_from_text(text, type(like))
        case int():
            return type(like)(_integer(text))
        case bytes() | bytearray():
            return _bytes_from_text(text, type(like))
        case str():
            return text
    raise EncodeError("this value cannot be written as text", expected="JSON", found=repr(text)[:60])


def _integer(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise EncodeError("the value cannot be read", expected="an integer", found=repr(text)[:60]) from None


def _flags_from_text(text: str, kind: type[IntFlag]) -> IntFlag:
    flags = kind(0)
    for word in filter(None, (word.strip() for word in re.split(r"[,|]", text))):
        if word in kind.__members__:
            flags |= kind[word]
        elif word[0].isdigit():
            flags |= kind(_integer(word))
        else:
            close = get_close_matches(word.upper(), kind.__members__)
            raise EncodeError(
                "no such flag", expected=" or ".join(close) or ", ".join(kind.__members__), found=repr(word)[:60]
            )
    return flags


def _bytes_from_text(text: str, kind: type[Any]) -> Any:
    digits = re.sub(r"[:\s-]", "", text.removeprefix("0x"))
    has_form = kind not in (bytes, bytearray)
    try:
        value = kind(bytes.fromhex(digits))
    except ValueError:
        value = None
    if value is None or (has_form and len(value) != len(kind())):
        # A kind of bytes with a form of its own, an Ethernet address, shows it.
        expected = f"a value such as {kind()}" if has_form else "bytes in hexadecimal"
        raise EncodeError("the value cannot be read", expected=expected, found=repr(text)[:60])
    return value
