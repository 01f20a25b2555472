"""What is written of names that repeat, and of padding by the piece."""

from __future__ import annotations

import json
from typing import Any

import pytest
from handmade import scalar, stream_with, structure, vmdesc_text
from recorded import pairs_of

from vmstate import load
from vmstate.errors import EncodeError, SchemaError
from vmstate.rules.edit import put
from vmstate.schema import DIALECTS
from vmstate.schema.dump import read_dump
from vmstate.schema.values import from_plain
from vmstate.schema.write import describe
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import this
from vmstate.vmsd.path import resolve


def buffer(name: str, size: int) -> str:
    return f'{{"name": "{name}", "type": "buffer", "size": {size}}}'


@pytest.mark.parametrize("dialect", ["7.2", "11.1"])
def test_names_of_a_vmdesc_that_repeat_stay_as_they_are(dialect: str) -> None:
    """QEMU has numbered the names already that it tells apart: what a vmdesc repeats is written as it stands there."""
    inner = structure("s", [scalar("v")], 1)
    fields = ", ".join([buffer("b", 2), scalar("x"), buffer("b", 2), inner, scalar("x", 2), inner])
    text = vmdesc_text(fields)
    stream = load(stream_with(text, bytes(range(9))), library=False)
    assert stream.to_bytes() == stream_with(text, bytes(range(9)))
    assert stream.sections[0].describe(DIALECTS[dialect]) == dict(pairs_of(text))["devices"][0]


def test_names_of_a_declaration_that_repeat_are_numbered() -> None:
    vmsd = VMStateDescription("twice", [Field("b", t.Buffer("buffer", 2)), Field("b", t.Buffer("buffer", 2))])
    pairs, size = describe(vmsd, vmsd.decode(b"abcd"), DIALECTS["7.2"])
    assert [dict(field)["name"] for field in dict(pairs)["fields"]] == ["b[0]", "b[1]"]
    assert size == 4


@pytest.mark.parametrize("dims", [(6,), (2, 3), (1, 3, 2)])
def test_an_array_is_written_as_it_lies_whatever_its_dimensions(dims: tuple[int, ...]) -> None:
    vmsd = VMStateDescription("grid", [Field("v", t.UINT16, count=6, dims=dims if len(dims) > 1 else None)])
    pairs, size = describe(vmsd, vmsd.decode(bytes(range(12))), DIALECTS["11.1"])
    assert [dict(field) for field in dict(pairs)["fields"]] == [
        {"name": "v", "array_len": 6, "type": "uint16", "size": 2}
    ]
    assert size == 12


def by_json(value: Any) -> Any:
    """Pairs as JSON objects."""
    if isinstance(value, list) and value and all(isinstance(part, tuple) for part in value):
        return {key: by_json(part) for key, part in value}
    return [by_json(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_padding_by_the_piece(pieces: int) -> None:
    vmsd = VMStateDescription(
        "padded", [Field("n", t.UINT8), Field("pad", t.Unused("unused_buffer", 4), count=this.n), Field("m", t.UINT8)]
    )
    pairs, size = describe(vmsd, vmsd.decode(bytes([pieces]) + bytes(4 * pieces) + b"\7"), DIALECTS["11.1"])
    assert size == 2 + 4 * pieces
    told = by_json(pairs)
    assert json.dumps(told)
    sizes = [field["size"] * field.get("array_len", 1) for field in told["fields"] if field["name"] == "pad"]
    assert sum(sizes) == 4 * pieces


# What cannot be read says where it is.


INNER = VMStateDescription("inner", [Field("v", t.UINT8)])
OUTER = VMStateDescription(
    "outer", [Field("s", t.Struct("struct", INNER)), Field("many", t.Struct("struct", INNER), count=2)]
)


@pytest.mark.parametrize(
    ("plain", "path"),
    [
        ({"s": {"v": "x"}, "many": [{"v": 1}, {"v": 2}]}, "s.v"),
        ({"s": {}, "many": [{"v": 1}, {"v": 2}]}, "s.v"),
        ({"s": {"v": 1}, "many": [{"v": 1}, {"v": []}]}, "many[1].v"),
        ({"s": {"v": 1}}, "many"),
        ({"s": {"v": 1, "w": 2}, "many": []}, "s"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_read_says_where_it_is(plain: Any, path: str) -> None:
    with pytest.raises(SchemaError) as caught:
        from_plain(OUTER, plain)
    assert caught.value.path == path


def test_a_dump_that_nests_without_end_is_refused() -> None:
    entry: dict[str, Any] = {"name": "x", "version_id": 1, "minimum_version_id": 1}
    for _ in range(90):
        field = {"field": "f", "version_id": 0, "field_exists": False, "size": 4, "Description": entry}
        entry = {"name": "x", "version_id": 1, "minimum_version_id": 1, "Fields": [field]}
    device = {"Name": "x", "version_id": 1, "minimum_version_id": 1, "Description": entry}
    with pytest.raises(SchemaError, match="nests too deeply"):
        read_dump(json.dumps({"vmschkmachine": {"Name": "none"}, "x": device}).encode())


QUEUE = VMStateDescription(
    "queue", [Field("enabled", t.BOOL), Field("num", t.UINT16), Field("avail", t.UINT32, count=2)]
)
CARD = VMStateDescription(
    "card",
    [
        Field(
            "opaque", t.Info("virtio", VMStateDescription("virtio", [Field("vqs", t.Struct("struct", QUEUE), count=3)]))
        ),
        Field("list", t.QList("qtailq", QUEUE, 0)),
    ],
)


@pytest.mark.parametrize("dialect", ["7.2", "11.1"])
def test_a_number_for_a_bool_in_what_the_vmdesc_does_not_open_has_its_size(dialect: str) -> None:
    """What can be written can be described, though only the careful plan takes it."""
    state = CARD.decode(bytes(34))
    expected = describe(CARD, state, DIALECTS[dialect])
    state["opaque"]["vqs"][1]["enabled"] = 0
    assert CARD.encode(state) == bytes(34)
    assert describe(CARD, state, DIALECTS[dialect]) == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("opaque.vqs[1].enabled", "on"),
        ("opaque.vqs[1].num", b"x"),
        ("opaque.vqs[1].avail", 7),
        ("opaque.vqs[1]", {"num": 1}),
        ("opaque.vqs", None),
        ("opaque", "virtio"),
        ("list", 5),
    ],
)
def test_a_state_that_cannot_be_written_cannot_be_described_and_says_where(path: str, value: Any) -> None:
    state = CARD.decode(bytes(34))
    put(state, resolve(state, path)[0], value)
    with pytest.raises(EncodeError) as caught:
        describe(CARD, state, DIALECTS["11.1"])
    assert caught.value.path == path, caught.value
