"""What a text means in the place of a value, by the field that it is for."""

from __future__ import annotations

from typing import Any

import pytest

from vmstate.devices.virtio.net import MacAddress
from vmstate.errors import VMStateError
from vmstate.stream.from_text import elements_from_text, value_from_text
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, Subsection, VMStateDescription
from vmstate.vmsd.expr import this
from vmstate.vmsd.state import State

INNER = VMStateDescription("dev/inner", [Field("a", t.UINT8), Field("b", t.UINT16)])
SOMETIMES = {"exists": this.there != 0}


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("0102", Field("v", t.Buffer("buffer", 2), **SOMETIMES), b"\1\2"),
        (
            "01:02:03:04:05:06",
            Field("v", t.Buffer("buffer", 6), value=MacAddress, **SOMETIMES),
            MacAddress(b"\1\2\3\4\5\6"),
        ),
        ("words", Field("v", t.Text("buffer", 8), **SOMETIMES), "words"),
        ("0x10", Field("v", t.UINT16, **SOMETIMES), 16),
        ("true", Field("v", t.BOOL, **SOMETIMES), True),
        ("1,2,0x3", Field("v", t.UINT8, count=3, **SOMETIMES), [1, 2, 3]),
        ('{"a": 1, "b": 2}', Subsection(INNER, "inner"), State({"a": 1, "b": 2})),
        ('{"a": 1, "b": 2}', Field("v", t.Struct("struct", INNER)), State({"a": 1, "b": 2})),
        ("null", Subsection(INNER, "inner"), None),
        ("null", Field("v", t.UINT16, **SOMETIMES), None),
    ],
)
def test_a_value_where_there_is_none_yet(text: str, field: Field | Subsection, value: Any) -> None:
    made = value_from_text(text, None, field, None)
    assert made == value and type(made) is type(value)


def test_elements_of_a_list() -> None:
    structs = Field("v", t.Struct("struct", INNER), count=2)
    text = '{"a": 1, "b": 2}, {"a": 3, "b": 4}'
    elements = [State({"a": 1, "b": 2}), State({"a": 3, "b": 4})]
    assert elements_from_text(text, [], structs, None) == elements
    assert elements_from_text(text, elements, structs, None) == elements
    with pytest.raises(VMStateError, match="a struct is written as JSON"):
        elements_from_text("a=1", elements, structs, None)
    assert elements_from_text("1, 0x2|3", [], Field("v", t.UINT8, count=3), None) == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("null", Field("v", t.UINT16)),
        ("5", Subsection(INNER, "inner")),
        ("{", Subsection(INNER, "inner")),
        ('{"a": 1}', Subsection(INNER, "inner")),
        ("zz", Field("v", t.Buffer("buffer", 2), **SOMETIMES)),
    ],
)
def test_what_is_none_of_it_is_refused(text: str, field: Field | Subsection) -> None:
    with pytest.raises(VMStateError):
        value_from_text(text, None, field, None)
