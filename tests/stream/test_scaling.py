"""Time and memory grow no faster than what a stream holds, in whatever dimension it grows."""

from __future__ import annotations

import gc
import json
import math
import struct
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from vmstate import VMStateError, compat, diff, explain, load, verify
from vmstate.cli.info import summary
from vmstate.cli.show import document, json_value
from vmstate.compare import open_target
from vmstate.early.copies import insert
from vmstate.query.find import find
from vmstate.report.tree import rows_of
from vmstate.saved.document import to_document
from vmstate.schema.vmdesc import read_vmdesc

STEEPEST = 1.3
"""The exponent of time over size that is allowed: noise makes 1 up to 1.2, and a quadratic cost is 2."""

TIMES = 8
"""How many times as large the second input is."""

# Inputs, by the dimension in which they grow


def section(name: str, body: bytes, section_id: int = 1, instance_id: int = 0, *, footer: bool = True) -> bytes:
    raw = name.encode()
    head = struct.pack(">BIB", 4, section_id, len(raw)) + raw + struct.pack(">II", instance_id, 1)
    return head + body + (struct.pack(">BI", 0x7E, section_id) if footer else b"")


def stream(*sections: bytes, devices: list[Any] | None = None, text: bytes | None = None) -> bytes:
    if devices is not None:
        text = json.dumps({"page_size": 4096, "devices": devices}).encode()
    tail = b"" if text is None else struct.pack(">BI", 6, len(text)) + text
    return b"QEVM\0\0\0\3" + b"".join(sections) + b"\0" + tail


def field(name: str, kind: str = "uint8", size: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "size": size, **more}


def struct_field(name: str, fields: list[Any], vmsd_name: str = "el", **more: Any) -> dict[str, Any]:
    return field(name, "struct", 1, struct={"vmsd_name": vmsd_name, "version": 1, "fields": fields}, **more)


def device(fields: list[Any], name: str = "dev", instance_id: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "instance_id": instance_id, "vmsd_name": name, "version": 1, "fields": fields, **more}


def one_device(body: bytes, fields: list[Any], **more: Any) -> bytes:
    return stream(section("dev", body), devices=[device(fields, **more)])


def sections(count: int) -> bytes:
    devices = [device([field("a")], f"d{number}") for number in range(count)]
    return stream(*(section(f"d{number}", b"a", number) for number in range(count)), devices=devices)


def sections_of_one_name(count: int) -> bytes:
    devices = [device([field("a")]) for _ in range(count)]
    return stream(*(section("dev", b"a", number) for number in range(count)), devices=devices)


def instances(count: int) -> bytes:
    devices = [device([field("a")], instance_id=number) for number in range(count)]
    return stream(*(section("dev", b"a", number, number) for number in range(count)), devices=devices)


def sections_without_vmdesc(count: int) -> bytes:
    return stream(*(section(f"d{number}", b"ab", number) for number in range(count)))


def sections_described_once(count: int) -> bytes:
    return stream(*(section("dev", b"a", number) for number in range(count)), devices=[device([field("a")])])


def devices_that_are_not_there(count: int) -> bytes:
    devices = [device([field("a")], f"d{number}") for number in range(count)]
    return stream(section("dev", b"a"), devices=[device([field("a")]), *devices])


def parts_of_a_section(count: int) -> bytes:
    part = struct.pack(">BI", 2, 1) + b"xx" + struct.pack(">BI", 0x7E, 1)
    return stream(struct.pack(">BIB2sII", 1, 1, 2, b"it", 0, 1) + struct.pack(">BI", 0x7E, 1), *[part] * count)


def sections_that_seem_to_reach_far(count: int) -> bytes:
    """By the library, which finds a number of elements in them that are there, in what follows."""
    return stream(*(section("0000:00:02.0/pcie-root-port", b"ab" * 300, number) for number in range(count)))


def commands(count: int) -> bytes:
    return stream(*[struct.pack(">BHH", 8, 1, 0)] * count)


def fields(count: int) -> bytes:
    return one_device(bytes(count), [field(f"f{number}") for number in range(count)])


def odd_bools(count: int) -> bytes:
    return one_device(b"\2" * count, [field(f"f{number}", "bool") for number in range(count)])


def names_in_turn(count: int) -> bytes:
    return one_device(bytes(2 * count), [field("a"), field("b")] * count)


def odd_bools_in_turn(count: int) -> bytes:
    return one_device(b"\2" * (2 * count), [field("a", "bool"), field("b", "bool")] * count)


def arrays_of_one_name(count: int) -> bytes:
    return one_device(bytes(3 * count), [field("a", array_len=2), field("b")] * count)


def elements(count: int) -> bytes:
    return one_device(bytes(count), [field("a", index=number) for number in range(count)])


def elements_of_two_kinds(count: int) -> bytes:
    kinds = [field("a"), struct_field("a", [field("x")])]
    return one_device(bytes(count), [{**kinds[number % 2], "index": number} for number in range(count)])


def pointers_one_by_one(count: int) -> bytes:
    kinds = [field("a", "nullptr"), struct_field("a", [field("x")])]
    return one_device(b"0x" * (count // 2), [{**kinds[number % 2], "index": number} for number in range(count)])


def marked_pointers(count: int) -> bytes:
    kinds = [field("a", "ptr-marker"), struct_field("a", [field("x")])]
    return one_device(b"0" * count, [kinds[number % 2] for number in range(count)])


def names_in_pairs(count: int) -> bytes:
    return one_device(bytes(count), [field(f"f{number // 2}") for number in range(count)])


def array_of_numbers(count: int) -> bytes:
    return one_device(bytes(50 * count), [field("a", array_len=50 * count)])


def array_of_structs(count: int) -> bytes:
    return one_device(bytes(4 * count), [struct_field("a", [field("x")], array_len=4 * count)])


def array_of_what_may_have_subsections(count: int) -> bytes:
    return one_device(b"el" * count, [struct_field("a", [field("x")], array_len=2 * count)])


def structs(count: int) -> bytes:
    return one_device(bytes(count), [struct_field(f"a{number}", [field("x")], f"v{number}") for number in range(count)])


def one_subsection_often(count: int) -> bytes:
    sent = b"\5\5dev/s" + struct.pack(">I", 1) + b"x"
    subsection = {"vmsd_name": "dev/s", "version": 1, "fields": [field("x")]}
    return one_device(b"a" + sent * count, [field("a")], subsections=[subsection])


def subsections(count: int) -> bytes:
    names = [f"dev/s{number}" for number in range(count)]
    sent = (bytes((5, len(name))) + name.encode() + struct.pack(">I", 1) + b"x" for name in names)
    return one_device(
        bytes(count) + b"".join(sent),
        [field("a", array_len=count)],
        subsections=[{"vmsd_name": name, "version": 1, "fields": [field("x")]} for name in names],
    )


def nodes_of_a_list(count: int) -> bytes:
    node = '"vmsd_name": "el", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]'
    nodes = ", ".join([node] * count)
    devices = (
        '[{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, "fields": '
        f'[{{"name": "l", "type": "qtailq", "size": 1, {nodes}}}]}}]'
    )
    text = f'{{"page_size": 4096, "devices": {devices}}}'.encode()
    return stream(section("dev", b"\1x" * count + b"\0"), text=text)


def length_of_a_name(count: int) -> bytes:
    inner = [field(f"f{number}") for number in range(count)]
    return one_device(bytes(count), [struct_field("n" * min(count, 1000), inner)])


def opaque_fields(count: int) -> bytes:
    return one_device(bytes(4 * count), [field(f"f{number}", "some info", 4) for number in range(count)])


def padding(count: int) -> bytes:
    kinds = [field("unused", "unused_buffer"), field("b")]
    return one_device(b"x" * count, [kinds[number % 2] for number in range(count)])


def blocks(count: int) -> bytes:
    names = [f"b{number}".encode() for number in range(count)]
    listed = b"".join(bytes((len(name),)) + name + struct.pack(">Q", 4096) for name in names)
    pages = b"".join(struct.pack(">QB", 2, len(name)) + name + b"\0" for name in names)
    end = struct.pack(">QBI", 16, 0x7E, 2)
    start = struct.pack(">BIB3sIIQ", 1, 2, 3, b"ram", 0, 4, count * 4096 | 4)
    return stream(start + listed + end, struct.pack(">BI", 3, 2) + pages + end)


def size_of_vmdesc(count: int) -> bytes:
    text = json.dumps({"page_size": 4096, "more": [1] * (50 * count), "devices": [device([field("a")])]})
    return stream(section("dev", b"a"), text=text.encode())


def keys_of_a_field(count: int) -> bytes:
    return one_device(b"a", [field("a", **{f"k{number}": number for number in range(count)})])


def what_looks_like_footers(count: int) -> bytes:
    return stream(section("undescribed", (struct.pack(">BI", 0x7E, 1) + b"\xff") * count))


def what_looks_like_starts(count: int) -> bytes:
    return stream(section("a", b"\4\0\0" * count, footer=False), section("b", b"\4\0\0" * count, 2, footer=False))


def what_looks_like_a_vmdesc(count: int) -> bytes:
    return stream(section("dev", b"a")) + b"\0\6\0\0\0\7{x}" * count


DIMENSIONS: dict[str, tuple[Callable[[int], bytes], int]] = {
    made.__name__: (made, size)
    for made, size in (
        (sections, 500),
        (sections_of_one_name, 500),
        (instances, 500),
        (sections_without_vmdesc, 1500),
        (sections_described_once, 1000),
        (sections_that_seem_to_reach_far, 1800),
        (devices_that_are_not_there, 2000),
        (parts_of_a_section, 1500),
        (commands, 4000),
        (fields, 2000),
        (odd_bools, 1000),
        (names_in_turn, 1000),
        (odd_bools_in_turn, 500),
        (arrays_of_one_name, 500),
        (elements, 4000),
        (elements_of_two_kinds, 1000),
        (names_in_pairs, 1000),
        (pointers_one_by_one, 1000),
        (marked_pointers, 1000),
        (array_of_numbers, 2000),
        (array_of_structs, 1000),
        (array_of_what_may_have_subsections, 1000),
        (structs, 500),
        (one_subsection_often, 2000),
        (subsections, 125),
        (nodes_of_a_list, 1000),
        (length_of_a_name, 128),
        (opaque_fields, 1000),
        (padding, 2000),
        (blocks, 1000),
        (size_of_vmdesc, 2000),
        (keys_of_a_field, 4000),
        (what_looks_like_footers, 20_000),
        (what_looks_like_starts, 10_000),
        (what_looks_like_a_vmdesc, 10_000),
    )
}
"""What grows, and how large it is at first: so that the second takes about a tenth of a second."""


def read(data: bytes) -> None:
    json.dumps(summary(load(data)))


def show(data: bytes) -> None:
    json.dumps(document(load(data), raw=True), default=json_value)


def check(data: bytes) -> None:
    verify(load(data), memoryview(data))


def decode(data: bytes) -> None:
    json.dumps(to_document(load(data), None))


def seconds(work: Callable[[bytes], None], data: bytes) -> float:
    read_vmdesc.cache_clear()
    # What other tests have left behind would be looked through, and more often for what is larger.
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        # What is refused must not take long either.
        with suppress(VMStateError):
            work(data)
        return time.process_time() - start
    finally:
        gc.enable()


def look(data: bytes) -> None:
    list(find(load(data), "f1"))


def compare(data: bytes) -> None:
    """With a stream of which every number is another."""
    with load(data) as before:
        changed = bytearray(data)
        for part in before.sections:
            for entry in part.trace().values():
                if entry.size == 1:
                    changed[entry.offset] ^= 1
        diff(before, load(bytes(changed)))


def hold_against_itself(data: bytes) -> None:
    explain(load(data), open_target(load(data)))


def hold_wires(data: bytes) -> None:
    compat(load(data), load(data))


def copy_early(data: bytes) -> None:
    insert(load(data))


def rows(data: bytes) -> None:
    for part in load(data).sections:
        rows_of(part.state, part.trace(), lambda offset, size: data[offset : offset + size])


@pytest.mark.parametrize(
    "work", [read, check, pytest.param(show, marks=pytest.mark.slow), pytest.param(decode, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    # One of them while one works: each takes as long as the largest of its inputs.
    "dimension",
    [pytest.param(name, marks=[] if name == "fields" else pytest.mark.slow) for name in DIMENSIONS],
)
@pytest.mark.slow
def test_time_grows_with_the_size(dimension: str, work: Callable[[bytes], None]) -> None:
    make, size = DIMENSIONS[dimension]
    small, large = make(size), make(TIMES * size)
    seconds(work, small)  # imports
    exponent = math.inf
    for _ in range(12):
        # Of a machine that has other things to do, the best of some tries. No quadratic cost has luck.
        before = min(max(seconds(work, small), 1e-4) for _ in range(2))
        after = min(seconds(work, large) for _ in range(2))
        exponent = min(exponent, math.log(after / before, TIMES))
        if exponent < STEEPEST:
            break
    assert exponent < STEEPEST


@pytest.mark.parametrize("work", [look, compare, hold_against_itself, hold_wires, copy_early, rows])
@pytest.mark.parametrize(
    "dimension", ["fields", "sections", "sections_of_one_name", "instances", "elements_of_two_kinds"]
)
@pytest.mark.slow
def test_time_of_other_verbs_grows_with_the_size(dimension: str, work: Callable[[bytes], None]) -> None:
    test_time_grows_with_the_size(dimension, work)


def test_names_have_a_length() -> None:
    """All paths have the names of all structs around in them: long ones would make them the square of the vmdesc."""
    inner = [field(f"f{number}") for number in range(1000)]
    nested = inner
    for _ in range(5):
        nested = [struct_field("m" * 1000, nested)]
    for fields_ in (
        nested,
        [struct_field("n" * 10_000, inner)],
        [field("n" * 2000)],
        [field("n" * 2000, "some info", 4)],
        [struct_field("m", inner, "v" * 10_000)],
    ):
        with pytest.raises(VMStateError, match="too long a name") as caught:
            load(one_device(bytes(5000), fields_))
        assert len(str(caught.value)) < 500


def test_errors_have_a_length() -> None:
    data = stream(*(section("a" * 250, b"", number, number) for number in range(5000)), devices=[device([])])
    with pytest.raises(VMStateError, match="means more than one section") as caught:
        load(data).find("a" * 250)
    assert len(str(caught.value)) < 5000


@pytest.mark.slow
def test_time_grows_with_the_size_of_a_vmdesc_up_to_64_mib() -> None:
    times = []
    for size in (8 << 20, 64 << 20):
        entry = json.dumps(device([field(f"field{number}") for number in range(1000)])) + ", "
        text = '{"page_size": 4096, "devices": [' + entry * (size // len(entry)) + json.dumps(device([])) + "]}"
        data = stream(section("dev", bytes(1000)), text=text.encode())
        times.append(seconds(read, data))
    assert times[1] / times[0] < 8**STEEPEST


# Elements that take no bytes


def nest(depth: int, count: int, innermost: list[Any]) -> list[Any]:
    inner = innermost
    for level in range(depth):
        inner = [struct_field("s", inner, f"v{level}", array_len=count)]
    return inner


NOTHING = field("n", array_len=0)
HOLLOW = [field(f"n{number}", array_len=0) for number in range(1000)]

AMPLIFIED: dict[str, bytes] = {
    "arrays of arrays of nothing": one_device(b"", nest(4, 64, [NOTHING])),
    "two arrays": one_device(b"", nest(2, 1000, [NOTHING])),
    "arrays of empty structs": one_device(b"", nest(3, 1000, [])),
    "deep": one_device(b"", nest(60, 2, [NOTHING])),
    "empty structs in structs that are not empty": one_device(
        bytes(1000), [struct_field("a", [field("x"), struct_field("s", [NOTHING], array_len=1000)], array_len=1000)]
    ),
    "many fields of no size for each byte": one_device(
        bytes(10_000), [struct_field("a", [field("x"), *HOLLOW], array_len=10_000)]
    ),
    "buffers of no size": one_device(
        bytes(10_000), [struct_field("a", [field("x"), *[field("b", "buffer", 0)] * 1000], array_len=10_000)]
    ),
    "many subsections that are not sent": one_device(
        bytes(10_000),
        [
            field(
                "a",
                "struct",
                1,
                array_len=10_000,
                struct={
                    "vmsd_name": "el",
                    "version": 1,
                    "fields": [field("x")],
                    "subsections": [{"vmsd_name": f"el/{number}", "version": 1, "fields": []} for number in range(999)],
                },
            )
        ],
    ),
    "padding of no size": one_device(b"", [field("unused", "unused_buffer", 0, array_len=(1 << 31) - 1)]),
    "a list of hollow nodes": stream(
        section("dev", b"\1" * 5000 + b"\0"),
        devices=[device([field("l", "qtailq", 1, vmsd_name="el", version=1, fields=HOLLOW)])],
    ),
    "many sections that stay below": stream(
        *(section("dev", b"", number) for number in range(20_000)), devices=[device(nest(1, 500, [NOTHING]))]
    ),
}


@pytest.mark.parametrize("name", list(AMPLIFIED))
@pytest.mark.slow
def test_what_takes_no_bytes_has_one_budget(name: str) -> None:
    data = AMPLIFIED[name]
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(VMStateError, match="too many elements that take no bytes"):
            load(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (16 << 20) + 64 * len(data)
    assert time.process_time() - start < 5


@pytest.mark.slow
def test_pointers_to_what_differs_have_one_budget() -> None:
    """Each is a field of its own, and a run of NULLs or of structs is told in a few bytes."""
    entries = [
        struct_field("p", [field("x")], array_len=60_000),
        field("p", "nullptr"),
        struct_field("p", [field("y")], "v2", array_len=3),
    ]
    arrays = [{**entry, "name": f"p{number}"} for number in range(50) for entry in entries]
    vmdesc = read_vmdesc(json.dumps({"page_size": 4096, "devices": [device(arrays)]}).encode())
    vmsd = vmdesc.devices[0].vmsd
    assert vmsd is not None
    assert len(vmsd.fields) < 61_000


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_is_within_the_budget_is_read(depth: int) -> None:
    data = one_device(b"", nest(depth, 6, [NOTHING]))
    assert load(data).to_bytes() == data


def test_sections_share_what_a_stream_may_have() -> None:
    """Each within its own budget, and few enough: they are read."""
    devices = [device(nest(1, 500, [NOTHING]))]
    data = stream(*(section("dev", b"", number) for number in range(60)), devices=devices)
    assert load(data).to_bytes() == data
