"""Runs: scalars, padding, bytes and lists of numbers that are read and written by one struct.Struct."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vmstate.declare import VMState, array, boolean, buffer, description, uint8, uint16, unused
from vmstate.errors import DecodeError, EncodeError, SchemaError
from vmstate.schema.vmdesc import read_vmdesc
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.state import residue_of
from vmstate.vmsd.types import SCALARS


@description("run")
class Run(VMState):
    """All that a run can hold."""

    number: int = uint8()
    pair: list[int] = array(uint16, 2)
    single: list[int] = array(uint8, 1)
    gap: None = unused(2)
    flags: list[bool] = array(boolean, 3)
    flag: bool = boolean()
    raw: bytes = buffer(4)
    last: int = uint16()


DATA = bytes.fromhex("07 0102 0304 09 0000 010001 01 61626364 fffe")
GOOD = {"pair": [0x102, 0x304], "single": [9], "flags": [True, False, True], "flag": True, "raw": b"abcd"}


def test_a_run_is_read_and_written() -> None:
    run = Run.vmsd.decode(DATA)
    assert run == Run(number=7, last=0xFFFE, **GOOD)
    assert Run.vmsd.encode(run) == Run.vmsd.encode(Run(number=7, last=0xFFFE, **GOOD)) == DATA
    with pytest.raises(DecodeError, match="the data ends too early") as caught:
        Run.vmsd.decode(DATA[:-3])
    assert (caught.value.path, caught.value.offset) == ("raw", 12)


@pytest.mark.parametrize(
    ("place", "byte", "name", "raw"),
    [(7, 5, "gap", b"\0\5"), (9, 2, "flags", b"\1\2\1"), (11, 255, "flag", b"\xff")],
)
def test_what_qemu_would_write_otherwise_is_kept(place: int, byte: int, name: str, raw: bytes) -> None:
    data = bytearray(DATA)
    data[place] = byte
    run = Run.vmsd.decode(data)
    assert dict(residue_of(run)) == {name: raw}
    assert Run.vmsd.encode(run) == data
    if name == "flags":
        assert run.flags == [True] * 3
        run.flags = [True] * 3
        assert Run.vmsd.encode(run)[8:11] == b"\1\1\1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pair", [1]),
        ("pair", [1, 2, 3]),
        ("pair", b"ab"),
        ("pair", [1, 65536]),
        ("single", []),
        ("flags", [1, 0, 1]),
        ("raw", b"abc"),
        ("raw", b"abcde"),
        ("raw", "abcd"),
        ("raw", [1, 2, 3, 4]),
        ("last", "x"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_path(name: str, value: Any) -> None:
    run = Run(**GOOD)
    setattr(run, name, value)
    if (name, value) == ("flags", [1, 0, 1]):
        # A number where a bool belongs is one.
        assert Run.vmsd.encode(run)[8:11] == b"\1\0\1"
        return
    with pytest.raises(EncodeError) as caught:
        Run.vmsd.encode(run)
    assert (caught.value.path or "").startswith(name)


def test_two_lists_do_not_make_up_for_each_other() -> None:
    run = Run(**{**GOOD, "pair": [1], "single": [2, 3]})
    with pytest.raises(EncodeError, match="2 elements"):
        Run.vmsd.encode(run)


def entries(*fields: dict[str, Any]) -> bytes:
    struct = {"vmsd_name": "s", "version": 1, "fields": list(fields)}
    return json.dumps({"page_size": 4096, "devices": [{"name": "d", "instance_id": 0, **struct}]}).encode()


def described(*fields: dict[str, Any]) -> VMStateDescription:
    vmsd = read_vmdesc(entries(*fields)).devices[0].vmsd
    assert vmsd is not None
    return vmsd


BYTE = {"name": "a", "type": "uint8", "size": 1}
WORDS = {"name": "b", "type": "uint16", "array_len": 2, "size": 2}
TRUTH = {"name": "c", "type": "bool", "size": 1}


def test_a_struct_of_scalars_is_what_its_fields_say() -> None:
    quick = described(BYTE, WORDS, TRUTH)
    slow = VMStateDescription(
        "s",
        [
            Field("a", SCALARS["uint8"]),
            Field("b", SCALARS["uint16"], count=2),
            Field("c", SCALARS["bool"]),
        ],
        1,
        1,
    )
    assert quick.leaves is not None
    assert not quick.branches()
    for data in (bytes(6), bytes(range(6)), bytes.fromhex("010203040500")):
        state = quick.decode(data)
        assert state == slow.decode(data)
        assert residue_of(state) == residue_of(slow.decode(data))
        assert quick.encode(state) == slow.encode(state) == data
        assert list(quick.trace(data)) == list(slow.trace(data))
    names = ("name", "attribute", "type", "count", "run_code", "is_plain", "in_state")
    assert [[getattr(field, name) for name in names] for field in quick.fields] == [
        [getattr(field, name) for name in names] for field in slow.fields
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {**BYTE, "size": True},
        {**BYTE, "size": 1.0},
        {**BYTE, "size": 2},
        {**BYTE, "type": 1},
        {**BYTE, "name": 1},
        {**BYTE, "name": "n" * 2000},
        {**WORDS, "array_len": -1},
        {**WORDS, "array_len": 1 << 40},
        {**WORDS, "array_len": True},
        "a",
        None,
        [],
    ],
)
def test_an_entry_that_is_none_is_refused(entry: Any) -> None:
    with pytest.raises(SchemaError):
        described(TRUTH, entry)


def test_an_array_of_nothing_and_equal_names_are_read_field_by_field() -> None:
    for fields in ((BYTE, {**WORDS, "array_len": 0}), (BYTE, BYTE), (BYTE, WORDS, {**BYTE, "size": 1})):
        vmsd = described(*fields)
        assert vmsd.leaves is None
        size = sum(len(field["name"]) * field.get("array_len", 1) * field["size"] for field in fields)
        assert vmsd.encode(vmsd.decode(bytes(size))) == bytes(size)
