"""Arrays of pointers in a vmdesc: what QEMU 7.2, 10.0 and 11.1 write of NULLs, and of AUTO_ALLOC's markers."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from handmade import scalar, stream_with, structure, vmdesc_text
from recorded import pairs_of

from vmstate import Stream, VMStateError, load
from vmstate.saved.document import read_document, to_document
from vmstate.schema import DIALECTS, read_vmdesc
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Pointers

STRUCT = [scalar("a"), scalar("b", 2)]
"""An element: three bytes, or where it cannot be compressed with `c` behind them where `a` is odd."""
NULL_TYPE = {"10.0": "nullptr", "11.1": "ptr-marker"}


def target(kind: str, value: int, more: str) -> str:
    """The entry of an element that is none: `more` is what stands of its place."""
    if kind == "scalar":
        return scalar("p", 4, more=more)
    if kind == "uneven" and value % 2:
        return structure("p", [*STRUCT, scalar("c")], 4, more)
    return structure("p", STRUCT, 3, more)


def on_wire(kind: str, value: int) -> bytes:
    """The bytes of an element that is none; none of them is a marker."""
    if kind == "scalar":
        return bytes((value, 1, 2, 3))
    return bytes((value, 1, 2)) + (b"\x07" if kind == "uneven" and value % 2 else b"")


def in_state(kind: str, value: int) -> Any:
    """Its value."""
    if kind == "scalar":
        return int.from_bytes(on_wire(kind, value), "big")
    state = {"a": value, "b": 0x0102}
    return {**state, "c": 7} if kind == "uneven" and value % 2 else state


def entries_of(kind: str, values: list[int | None], release: str) -> list[str]:
    """The entries that the loop of vmstate_save_vmsd_v writes (migration/vmstate.c, 10.0 and 11.1), step by step."""
    can_compress = kind in ("scalar", "struct")
    entries: list[str] = []
    writes, previous_is_null = True, False
    for place, value in enumerate(values):
        is_null = value is None
        elements = len(values) - place
        if release == "11.1" and not can_compress:
            elements = 1
        if is_null != previous_is_null and (release == "10.0" or elements > 1):
            previous_is_null = is_null
            writes = True
            for later in range(place + 1, len(values)):
                if (values[later] is None) != is_null:
                    elements = later - place
                    break
        more = ""
        if elements > 1:
            more = f'"array_len": {elements}, ' if can_compress or is_null else f'"index": {place}, '
        if writes:
            null = f'{{"name": "p", {more}"type": "{NULL_TYPE[release]}", "size": 1}}'
            entries.append(null if value is None else target(kind, value, more))
        if writes and can_compress and (release == "10.0" or elements > 1):
            writes = False
    return entries


def marked_entries(kind: str, values: list[int | None]) -> list[str]:
    """The entries of the same with AUTO_ALLOC."""
    marker = '{"name": "p", "type": "ptr-marker", "size": 1}'
    return [entry for value in values for entry in ([marker] if value is None else [marker, target(kind, value, "")])]


def loaded(entries: list[str], body: bytes) -> tuple[Stream, Any]:
    """A stream with one array, between two fields, and what its vmdesc says of it."""
    text = vmdesc_text(", ".join([scalar("before"), *entries, scalar("behind")]), configuration=True)
    data = stream_with(text, b"\x05" + body + b"\x06", configuration=True)
    stream = load(data, library=False)
    assert stream.to_bytes() == data
    assert stream.sections[0].state["before"] == 5
    assert stream.sections[0].state["behind"] == 6
    return stream, dict(pairs_of(text))["devices"][0]


def patterns(longest: int) -> list[list[int | None]]:
    """Every way in which up to so many pointers can be NULL or not; the numbers are all different."""
    return [
        [number + 1 if is_set else None for number, is_set in enumerate(ways)]
        for length in range(2, longest + 1)
        for ways in product((False, True), repeat=length)
        if not all(ways)
    ]


@pytest.mark.parametrize("release", ["10.0", "11.1"])
@pytest.mark.parametrize("kind", ["scalar", "struct", "uneven"])
@pytest.mark.slow
def test_null_pointers(kind: str, release: str) -> None:
    untold = 0
    for values in patterns(6):
        entries = entries_of(kind, values, release)
        body = b"".join(b"0" if value is None else on_wire(kind, value) for value in values)
        if _says_nothing_of_last(entries, values):
            untold += 1
            with pytest.raises(VMStateError):
                loaded(entries, body)
            continue
        stream, told = loaded(entries, body)
        assert stream.sections[0].state["p"] == [None if value is None else in_state(kind, value) for value in values]
        assert stream.vmdesc is not None
        assert stream.sections[0].describe(DIALECTS[release]) == told, (values, entries)
        if any(value is not None for value in values):
            assert stream.vmdesc.dialect is DIALECTS[release]
    assert untold == (9 if release == "11.1" and kind != "uneven" else 0)


def _says_nothing_of_last(entries: list[str], values: list[int | None]) -> bool:
    """Whether the only entry is of all elements but the last, which is of another kind."""
    return len(entries) == 1 and (values[0] is None) != (values[-1] is None)


@pytest.mark.parametrize("kind", ["scalar", "struct", "uneven"])
def test_markers_before_all_elements(kind: str) -> None:
    for values in [*patterns(6), [1, 2], [1, 2, 3], [2, 4]]:
        body = b"".join(b"0" if value is None else b"1" + on_wire(kind, value) for value in values)
        stream, told = loaded(marked_entries(kind, values), body)
        state = stream.sections[0].state["p"]
        assert state == [None if value is None else in_state(kind, value) for value in values]
        assert stream.sections[0].describe(DIALECTS["11.1"]) == told, values


def test_one_field_has_the_whole_array() -> None:
    """What a comparison of layouts sees is an array of so many structs, whichever of them are NULL."""
    for entries, pointers in (
        (marked_entries("struct", [1, None, None, 4]), Pointers.ALL_MARKED),
        (entries_of("struct", [None, None, 3, None], "11.1"), Pointers.NULL_MARKER),
        (entries_of("struct", [1, None, None, 4], "10.0"), Pointers.NULL_MARKER),
    ):
        vmsd = read_vmdesc(vmdesc_text(", ".join(entries))).devices[0].vmsd
        assert vmsd is not None
        (field,) = vmsd.fields
        assert (field.count, field.pointers, type(field.type)) == (4, pointers, t.Struct)


def test_a_marker_is_read_as_what_it_is() -> None:
    """The same entries are an array of one object behind a marker, and one of a NULL and an object."""
    entries = marked_entries("struct", [1])
    assert entries == entries_of("struct", [None, 1], "11.1")
    for body, state in ((b"1\1\1\2", [{"a": 1, "b": 0x0102}]), (b"0\1\1\2", [None, {"a": 1, "b": 0x0102}])):
        stream, told = loaded(entries, body)
        assert stream.sections[0].state["p"] == state
        assert stream.sections[0].describe(DIALECTS["11.1"]) == told
        again = read_document(json.dumps(to_document(stream, None)).encode(), ".", "x")
        assert again.to_bytes() == stream.to_bytes()
        assert again.sections[0].state == stream.sections[0].state
    with pytest.raises(VMStateError, match="not the marker of a pointer"):
        loaded(entries, b"2\1\1\2")


def test_a_last_element_that_has_no_entry() -> None:
    """QEMU 11.1 says nothing of a last element that differs from the run before it."""
    values = [1, None, None, 4]
    entries = entries_of("struct", values, "11.1")
    assert [json.loads(entry).get("array_len") for entry in entries] == [4, 2]
    body = b"".join(b"0" if value is None else on_wire("struct", value) for value in values)
    stream, told = loaded(entries, body)
    assert stream.sections[0].state["p"] == [None if value is None else in_state("struct", value) for value in values]
    assert stream.sections[0].describe(DIALECTS["11.1"]) == told


def test_more_pointers_than_any_array_has() -> None:
    run = '{"name": "p", "array_len": 2147483647, "type": "ptr-marker", "size": 1}'
    with pytest.raises(VMStateError):
        loaded([run, target("struct", 1, "")], b"0" * 64)


@pytest.mark.parametrize(
    ("entries", "body", "value"),
    [
        (
            [*marked_entries("struct", [5, None]), scalar("q"), structure("p", [], 0)],
            b"1\5\1\0020\7",
            [{"a": 5, "b": 258}, None, {}],
        ),
        (["null", scalar("q"), "null"], b"0\2" + b"0", [None, None]),
    ],
    ids=["marked", "10.0"],
)
def test_a_document_has_the_nulls_of_a_name_that_repeats(entries: list[str], body: bytes, value: list[Any]) -> None:
    """Fields that are none of one array, with NULLs among them, stand in one list."""
    null = '{"name": "p", "type": "nullptr", "size": 1}'
    data = stream_with(vmdesc_text(", ".join(null if entry == "null" else entry for entry in entries)), body)
    stream = load(data)
    assert stream.sections[0].state["p"][: len(value)] == value
    again = read_document(json.dumps(to_document(stream, None)).encode(), ".", "x")
    assert again.to_bytes() == data
    assert again.sections[0].state == stream.sections[0].state


def test_a_document_has_subsections_that_are_listed_twice() -> None:
    listed = ", ".join(['{"vmsd_name": "dev/s", "version": 1, "fields": [' + scalar("x") + "]}"] * 2)
    body = b"\7" + b"\5\5dev/s\0\0\0\1\x09"
    data = stream_with(vmdesc_text(scalar("a"), more=f', "subsections": [{listed}]'), body)
    again = read_document(json.dumps(to_document(load(data), None)).encode(), ".", "x")
    assert again.to_bytes() == data


def test_no_pointers_at_all() -> None:
    """Two entries of no elements: nothing says that they are one array."""
    entries = [f'{{"name": "p", "array_len": 0, "type": "{kind}", "size": 1}}' for kind in ("nullptr", "uint8")]
    stream = load(stream_with(vmdesc_text(", ".join(entries)), b""))
    assert stream.sections[0].state == {"p": []}
    assert read_document(json.dumps(to_document(stream, None)).encode(), ".", "x").to_bytes() == stream.to_bytes()
