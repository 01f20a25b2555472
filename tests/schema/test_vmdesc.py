"""vmdesc and -dump-vmstate: descriptions read from QEMU's JSON, and the JSON written again."""

from __future__ import annotations

import json
import lzma
import random
import re
import struct
import tracemalloc
from collections import defaultdict
from functools import lru_cache
from typing import Any

import pytest
from handmade import ODD, as_text, changed, places, scalar, stream_with, structure, vmdesc_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import BARE, DUMPS, FIXTURES, MICROVM, NONE, PROVENANCE, STREAMS, opened, pairs_of, plain, vmdesc_of

from vmstate import DescriptionError, SchemaError, Stream, StreamReader, VMStateDescription, VMStateError, load
from vmstate.events import find_vmdesc
from vmstate.query.origin import earliest_release
from vmstate.schema import DIALECTS, Dump, Vmdesc, json_text, read_dump, read_vmdesc
from vmstate.schema.vmdesc import NOT_SAID, Repeated, VmdescReader
from vmstate.vmsd import types as t
from vmstate.vmsd.description import MAX_DEPTH
from vmstate.vmsd.release import Release

DIRTY_BITMAPS = "recorded/qemu-7.2-microvm-dirty-bitmaps-cold.mig.xz"
"""110,000 sections: it takes seconds."""


@lru_cache(maxsize=1)
def groups() -> dict[str, list[str]]:
    """For each recording with a vmdesc those of the same release whose vmdesc lists the same devices."""
    names: dict[Any, list[str]] = defaultdict(list)
    for file in STREAMS:
        text = find_vmdesc(memoryview(plain(file)))
        if text is not None:
            devices = re.findall(rb'"name" ?: ?"([^"]*)", "instance_id" ?: ?(\d+)', text)
            names[PROVENANCE[file]["qemu_version"], tuple(devices)].append(file)
    return {file: files for files in names.values() for file in files}


def subsections(vmdesc: Vmdesc) -> set[tuple[str, ...]]:
    """Where which subsections stand."""

    def within(vmsd: VMStateDescription, at: tuple[str, ...]) -> Any:
        for field in vmsd.fields:
            for child in field.type.children():
                yield from within(child, (*at, field.name))
        for sub in vmsd.subsections:
            yield (*at, sub.vmsd.name)
            yield from within(sub.vmsd, (*at, sub.vmsd.name))

    devices = [device for device in vmdesc.devices if device.vmsd is not None]
    return {place for device in devices if device.vmsd is not None for place in within(device.vmsd, (device.name,))}


# One stream's vmdesc for another


@pytest.mark.slow
def test_every_pair_is_in_a_group() -> None:
    pairs = {file.removesuffix("-early.mig.xz") for file in STREAMS if file.endswith("-early.mig.xz")}
    for pair in pairs - {"qemu-11.1-q35-virtio-mem"}:
        assert f"{pair}-final.mig.xz" in groups()[f"{pair}-early.mig.xz"]
    moments = [f"recorded/qemu-10.0-q35-virtio-net-{moment}.mig.xz" for moment in ("changed", "idle")]
    assert groups()[moments[0]] == moments
    assert sum(len(files) - 1 for files in groups().values()) > 200


@pytest.mark.parametrize("name", [file for file in STREAMS if "s390x" not in file and file != DIRTY_BITMAPS])
def test_one_vmdesc_reads_the_others_and_writes_their_own(name: str) -> None:
    """Counts differ, subsections come and go, opaque fields change their size."""
    for other_name in groups().get(name, ()):
        if other_name == name:
            continue
        theirs = vmdesc_of(name)
        if not subsections(vmdesc_of(other_name)) <= subsections(theirs):
            # What the one never sent, its vmdesc does not describe.
            with pytest.raises(VMStateError, match=r"VM subsection .* does not exist"):
                load(plain(other_name), vmdesc=theirs, library=False)
            continue
        stream = load(plain(other_name), vmdesc=theirs, library=False)
        written, text = stream.write_vmdesc(), stream.vmdesc_text
        assert text is not None
        assert written == text or pairs_of(written) == pairs_of(text), (name, other_name)
        assert written == text
        assert stream.to_bytes() == plain(other_name)


@pytest.mark.parametrize("size", [777, 65_537])
def test_another_vmdesc_in_pieces(size: int) -> None:
    """An opaque field that is longer than it was seen is found by the footer, which must be waited for."""
    first, second = "pairs/qemu-7.2-mq4-rss-on-early.mig.xz", "pairs/qemu-7.2-mq4-rss-on-final.mig.xz"
    data, vmdesc = plain(second), vmdesc_of(first)
    assert len(data) != len(plain(first))
    reader = StreamReader(vmdesc=vmdesc, library=False)
    events = []
    for at in range(0, len(data), size):
        reader.receive_data(data[at : at + size])
        events += reader.events()
    reader.receive_data(b"")
    events += reader.events()
    whole = StreamReader.over(memoryview(data), vmdesc=vmdesc, library=False)
    assert events == list(whole.events())


def test_the_same_text_is_read_once() -> None:
    text = opened(BARE).vmdesc_text
    assert text is not None
    assert read_vmdesc(text) is read_vmdesc(bytes(bytearray(text)))


# Dialects


WITHOUT_ARRAYS = {
    f"recorded/qemu-{name}.mig.xz"
    for name in (
        "10.0-none",
        "11.1-microvm-bare-cold",
        "11.1-microvm-dirty-bitmaps-cold",
        "11.1-microvm-no-footer-cold",
        "11.1-none",
        "11.1-riscv64-virt-cold",
    )
}
"""Nothing in them that one release from 8.0 on writes otherwise than another."""


@pytest.mark.parametrize("file", [file for file in STREAMS if file != DIRTY_BITMAPS])
def test_the_dialect_is_recognised(file: str) -> None:
    text = find_vmdesc(memoryview(plain(file)))
    if text is None:
        pytest.skip("no vmdesc")
    version = PROVENANCE[file]["qemu_version"]
    if file in WITHOUT_ARRAYS:
        assert read_vmdesc(text).dialect is NOT_SAID
        assert earliest_release(load(plain(file))) == Release(8, 0)
        return
    assert read_vmdesc(text).dialect is DIALECTS[version]


def read_back(text: bytes, body: bytes, *, version: int = 1) -> Any:
    """The state of one device section, which must be written back, and whose vmdesc must be written again."""
    stream = load(stream_with(text, body, version=version), library=False)
    assert stream.to_bytes() == stream_with(text, body, version=version)
    vmdesc = stream.vmdesc
    assert vmdesc is not None
    entries = dict(pairs_of(text))["devices"]
    assert [stream.sections[0].describe(vmdesc.dialect)] == entries
    return stream.sections[0].state


def elements(indices: list[str], sizes: list[int]) -> str:
    """An array whose elements QEMU described one by one: those of two bytes have a second field."""
    shapes = {1: [scalar("a")], 2: [scalar("a"), scalar("b")]}
    return ", ".join(structure("ch", shapes[size], size, more) for more, size in zip(indices, sizes, strict=True))


INDICES = {
    "7.2": ['"index": 0, ', '"index": 1, ', '"index": 2, '],
    "8.0": ['"index": 0, ', '"index": 1, ', '"index": 2, '],
    "10.0": ['"index": 0, ', '"index": 1, ', ""],
    "11.1": ["", "", ""],
}


@pytest.mark.parametrize("dialect", INDICES)
def test_elements_of_each_dialect(dialect: str) -> None:
    """Conditional elements: an array that is not compressed, whose elements have different fields."""
    configuration = dialect != "7.2"
    text = vmdesc_text(elements(INDICES[dialect], [1, 2, 1]), configuration=configuration)
    stream = load(stream_with(text, b"\1\2\3\4", configuration=configuration), library=False)
    assert stream.sections[0].state == {"ch": [{"a": 1}, {"a": 2, "b": 3}, {"a": 4}]}
    assert stream.vmdesc is not None
    assert stream.vmdesc.dialect is DIALECTS[dialect]
    assert stream.sections[0].describe(DIALECTS[dialect]) == dict(pairs_of(text))["devices"][0]
    for another in INDICES:
        # A description of one dialect can be written in any other.
        told = dict(pairs_of(vmdesc_text(elements(INDICES[another], [1, 2, 1]))))["devices"][0]
        assert stream.sections[0].describe(DIALECTS[another]) == told


def test_equal_elements_become_one_array() -> None:
    text = vmdesc_text(elements(INDICES["7.2"], [2, 2, 2]))
    state = read_back(text, b"\1\2\3\4\5\6")
    assert state == {"ch": [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}]}
    vmsd = read_vmdesc(text).devices[0].vmsd
    assert vmsd is not None
    assert [(field.name, field.count) for field in vmsd.fields] == [("ch", 3)]


def test_the_spaced_dialect() -> None:
    text = (
        b'{ "page_size" : 4096, "devices" : [ { "name" : "dev", "instance_id" : 0, "vmsd_name" : "dev", "version" : 1, '
    )
    text += b'"fields" : [ { "name" : "a", "type" : "uint8", "size" : 1 } ] } ] }'
    stream = load(stream_with(text, b"\7"), library=False)
    assert stream.vmdesc is not None
    assert stream.vmdesc.dialect is DIALECTS["5.2"]
    assert stream.write_vmdesc() == text


def test_a_null_before_pointer_runs() -> None:
    """Before 10.0 a NULL in an array of pointers is a struct of nothing; from then on it has a type of its own."""
    null = '{"name": "p", "index": 0, "type": "struct", "struct": {}, "size": 1}'
    text = vmdesc_text(null + ", " + structure("p", [scalar("a")], 1, '"index": 1, '))
    assert read_back(text, b"0\5") == {"p": [None, {"a": 5}]}
    run = '{"name": "p", "array_len": 3, "type": "nullptr", "size": 1}'
    text = vmdesc_text(run + ", " + structure("p", [scalar("a")], 1), configuration=True)
    stream = load(stream_with(text, b"000\5", configuration=True), library=False)
    assert stream.sections[0].state == {"p": [None, None, None, {"a": 5}]}
    assert stream.vmdesc is not None
    assert stream.vmdesc.dialect is DIALECTS["10.0"]
    assert stream.sections[0].describe(DIALECTS["10.0"]) == dict(pairs_of(text))["devices"][0]
    with pytest.raises(VMStateError, match=r"p\[1\]: not the marker of a NULL pointer"):
        load(stream_with(text, b"010\5", configuration=True), library=False)


# Names and repeated keys


def test_names_are_kept() -> None:
    names = ["env.cr[0]", "env.cr[2]", "st[0].a", "unused[1]", "a b", 'q"uote', "ü", "[3]"]
    fields = ", ".join(scalar(json.dumps(name)[1:-1]) for name in names)
    state = read_back(vmdesc_text(fields), bytes(range(len(names))))
    assert dict(state) == {name: number for number, name in enumerate(names)}


def test_names_with_brackets_stay_apart() -> None:
    """No array is made of names that only look like elements of one."""
    state = read_back(vmdesc_text(", ".join(scalar(f"x[{number}]") for number in range(3))), b"\1\2\3")
    assert state == {"x[0]": 1, "x[1]": 2, "x[2]": 3}


def list_node(kind: str, bodies: list[str], size: int) -> str:
    return f'{{"name": "l", "type": "{kind}", {", ".join(bodies)}, "size": {size}}}'


def keys(fields: list[str], name: str = "el") -> str:
    """What a list repeats in one object for each of its elements."""
    return f'"vmsd_name": "{name}", "version": 1, "fields": [{", ".join(fields)}]'


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("kind", ["qtailq", "qlist"])
def test_lists_with_repeated_keys(kind: str, count: int) -> None:
    node = list_node(kind, [keys([scalar("a"), scalar("b", 2)])] * count, 1 + 4 * count)
    body = b"".join(struct.pack(">BBH", 1, number, number * 257) for number in range(count)) + b"\0"
    state = read_back(vmdesc_text(node + ", " + scalar("z")), body + b"\x63")
    assert state == {"l": [{"a": number, "b": number * 257} for number in range(count)], "z": 0x63}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_trees_with_direct_keys(count: int) -> None:
    node = list_node("gtree", [keys([scalar("v", 2)])] * count, 5 + 11 * count)
    body = struct.pack(">I", count)
    body += b"".join(struct.pack(">BQH", 1, 1 << 40 | number, number) for number in range(count)) + b"\0"
    state = read_back(vmdesc_text(node), body)
    assert state == {"l": [(1 << 40 | number, {"v": number}) for number in range(count)]}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_trees_with_described_keys(count: int) -> None:
    pair = [keys([scalar("low", 8), scalar("high", 8)], "key"), keys([scalar("v")], "value")]
    body = struct.pack(">I", count)
    body += b"".join(struct.pack(">BQQB", 1, number, number + 9, number * 3) for number in range(count)) + b"\0"
    state = read_back(vmdesc_text(list_node("gtree", pair * count, 5 + 18 * count)), body)
    assert state == {"l": [({"low": number, "high": number + 9}, {"v": number * 3}) for number in range(count)]}


def test_an_empty_list_says_nothing_of_its_elements() -> None:
    """With no element vmdesc has nothing to describe; the field is opaque and may be longer in another stream."""
    node = '{"name": "l", "type": "qtailq", "size": 1}'
    assert read_back(vmdesc_text(node + ", " + scalar("z")), b"\0\7") == {"l": b"\0", "z": 7}


def test_lists_whose_elements_differ() -> None:
    """Elements with different fields fit no list: the bytes are kept."""
    node = list_node("qtailq", [keys([scalar("a")]), keys([scalar("a"), scalar("b")])], 6)
    text = vmdesc_text(node)
    stream = load(stream_with(text, b"\1\1\1\2\3\0"), library=False)
    assert stream.sections[0].state == {"l": b"\1\1\1\2\3\0"}
    assert stream.to_bytes() == stream_with(text, b"\1\1\1\2\3\0")


def test_subsections_and_nested_versions() -> None:
    sub = f', "subsections": [{{"vmsd_name": "dev/sub", "version": 3, "fields": [{scalar("s", 4)}]}}]'
    nested = f'{{"name": "v", "type": "vstruct", {keys([scalar("a")])}, "size": 1}}'
    body = b"\1\2" + b"\x05\x07dev/sub\0\0\0\3" + b"\0\0\0\x2a"
    state = read_back(vmdesc_text(nested + ", " + scalar("b"), version=5, more=sub), body, version=5)
    assert state == {"v": {"a": 1}, "b": 2, "dev/sub": {"s": 42}}


def test_scalar_types() -> None:
    kinds = [
        ("bool", 1, b"\1", True),
        ("int8", 1, b"\xff", -1),
        ("int16", 2, b"\xff\xfe", -2),
        ("int32", 4, b"\xff\xff\xff\xfd", -3),
        ("int64", 8, b"\xff" * 8, -1),
        ("timer", 8, b"\xff" * 8, -1),
        ("uint64", 8, b"\x80" + bytes(7), 1 << 63),
        ("uint8 equal", 1, b"\x09", 9),
        ("int64 equal", 8, bytes(7) + b"\1", 1),
        ("int32 le", 4, b"\0\0\0\7", 7),
        ("CPU_Double_U", 8, b"\x7f\xf0" + bytes(6), 0x7FF0 << 48),
        ("buffer", 3, b"abc", b"abc"),
        ("bitmap", 8, bytes(7) + b"\5", 5),
        ("something of its own", 2, b"xy", b"xy"),
    ]
    fields = ", ".join(
        f'{{"name": "f{number}", "type": "{kind}", "size": {size}}}' for number, (kind, size, _, _) in enumerate(kinds)
    )
    state = read_back(vmdesc_text(fields), b"".join(raw for _, _, raw, _ in kinds))
    assert list(state.values()) == [value for *_, value in kinds]
    assert [type(value) for value in state.values()] == [type(value) for *_, value in kinds]


def test_unused_bytes_are_no_value() -> None:
    text = vmdesc_text(scalar("a") + ', {"name": "unused", "type": "unused_buffer", "size": 3}')
    assert read_back(text, b"\1\0\0\0") == {"a": 1}
    assert read_back(text, b"\1xyz") == {"a": 1}


def test_old_style_sections_have_a_size_only() -> None:
    entry = '{"name": "dev", "instance_id": 0, "size": 3, "fields": [{"name": "data", "size": 3, "type": "buffer"}]}'
    text = f'{{"page_size": 4096, "devices": [{entry}]}}'.encode()
    # The size decides even where the bytes look like a footer and another section.
    body = b"\x7e\0\0"
    stream = load(stream_with(text, body), library=False)
    assert (stream.sections[0].state, stream.sections[0].described_by) == (body, "none")
    assert stream.write_vmdesc() == text


# What cannot be


@pytest.mark.parametrize("file", [NONE, BARE])
def test_cut_anywhere(file: str) -> None:
    text = opened(file).vmdesc_text
    assert text is not None
    for end in range(0, len(text), 97):
        with pytest.raises(SchemaError, match="vmdesc is not JSON"):
            read_vmdesc(text[:end])


BAD_TEXTS = {
    "empty": b"",
    "no object": b"[]",
    "a number": b"7",
    "not UTF-8": b'{"page_size": 4096, "devices": "\xff\xfe"}',
    "no devices": b'{"page_size": 4096}',
    "devices is no list": b'{"devices": {}}',
    "a device is no object": b'{"devices": [3]}',
    "page_size is text": b'{"page_size": "4096", "devices": []}',
    "page_size is true": b'{"page_size": true, "devices": []}',
    "page_size is huge": b'{"page_size": 1%s, "devices": []}' % (b"0" * 300),
    "more digits than are read": b'{"page_size": %s, "devices": []}' % (b"1" * 5000),
    "an infinite number": vmdesc_text('{"name": "a", "type": "uint8", "size": 1e999}'),
    "no name": vmdesc_text('{"type": "uint8", "size": 1}'),
    "no type": vmdesc_text('{"name": "a", "size": 1}'),
    "no size": vmdesc_text('{"name": "a", "type": "uint8"}'),
    "size below zero": vmdesc_text('{"name": "a", "type": "buffer", "size": -1}'),
    "size over 32 bits": vmdesc_text('{"name": "a", "type": "buffer", "size": 4294967296}'),
    "array_len of 2^31": vmdesc_text(scalar("a", more='"array_len": 2147483648, ')),
    "array_len below zero": vmdesc_text(scalar("a", more='"array_len": -1, ')),
    "array_len is text": vmdesc_text(scalar("a", more='"array_len": "3", ')),
    "array_len is null": vmdesc_text(scalar("a", more='"array_len": null, ')),
    "array_len of a repeated name": vmdesc_text(", ".join([scalar("a", more='"array_len": "3", ')] * 2)),
    "array_len of a repeated name below zero": vmdesc_text(", ".join([scalar("a", more='"array_len": -3, ')] * 2)),
    "a field is no object": vmdesc_text("[]"),
    "struct is text": vmdesc_text('{"name": "a", "type": "struct", "struct": "x", "size": 1}'),
    "struct without a name": vmdesc_text('{"name": "a", "type": "struct", "struct": {"fields": []}, "size": 1}'),
    "version is text": b'{"devices": [{"name": "d", "instance_id": 0, "vmsd_name": "d", "version": "1"}]}',
    "instance_id below zero": b'{"devices": [{"name": "d", "instance_id": -1}]}',
    "subsections is text": vmdesc_text(scalar("a"), more=', "subsections": "x"'),
    "a name that no text can be": vmdesc_text(
        scalar("a"), more=', "subsections": [{"vmsd_name": "\\ud800", "version": 1, "fields": []}]'
    ),
    "deep lists": b"[" * 10_000 + b"]" * 10_000,
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_what_cannot_be_is_one_line(name: str) -> None:
    with pytest.raises(SchemaError) as caught:
        read_vmdesc(BAD_TEXTS[name])
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def nested_structs(depth: int) -> bytes:
    front = '{"name": "a", "type": "struct", "struct": {"vmsd_name": "x", "version": 1, "fields": ['
    return vmdesc_text(front * depth + scalar("a") + ']}, "size": 1}' * depth)


def nested(depth: int, innermost: str) -> str:
    text = innermost
    for _ in range(depth):
        text = structure("s", [text], 1)
    return text


def test_what_comes_again_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = VmdescReader.struct

    def noting(self: VmdescReader, obj: Any, where: str, name: str, version_id: int) -> VMStateDescription:
        reads.append(name)
        return read(self, obj, where, name, version_id)

    monkeypatch.setattr(VmdescReader, "struct", noting)
    text = find_vmdesc(memoryview(plain("qemu-11.1-q35-smp4-rootports.mig.xz")))
    assert text is not None
    vmdesc = read_vmdesc.__wrapped__(text)
    processors = [device for device in vmdesc.devices if device.name == "cpu"]
    # The first has run, and sends what the others do not.
    assert len(processors) == 4 and len({id(device.vmsd) for device in processors}) == 2
    assert reads.count("cpu") == 2


def test_what_comes_again_deeper_is_still_too_deep() -> None:
    part = nested(MAX_DEPTH // 2, scalar("a"))
    assert read_vmdesc(vmdesc_text(part)).devices[0].vmsd is not None
    with pytest.raises(SchemaError, match="nests too deeply"):
        read_vmdesc(vmdesc_text(f"{part}, {scalar('b')}, {nested(MAX_DEPTH // 2 + 1, part)}"))


def test_structs_whose_keys_repeat_otherwise_are_not_the_same() -> None:
    once, twice = {"a": 1}, Repeated({"a": 1})
    twice.pairs = [("a", 0), ("a", 1)]
    again = Repeated(twice)
    again.pairs = [("a", 2), ("a", 1)]
    assert twice not in (once, again)
    assert {"fields": [twice]} != {"fields": [again]}
    again.pairs = list(twice.pairs)
    assert twice == again


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, 100, 200, 300, 1000, 10_000])
def test_deep_nesting(depth: int) -> None:
    if depth >= MAX_DEPTH:
        with pytest.raises(SchemaError, match="nests too deeply"):
            read_vmdesc(nested_structs(depth))
        return
    stream = load(stream_with(nested_structs(depth), b"\5"), library=False)
    value = stream.sections[0].state
    for _ in range(depth):
        value = value["a"]
    assert value == {"a": 5}
    assert stream.write_vmdesc() == stream.vmdesc_text


def test_deep_subsections() -> None:
    front = ', "subsections": [{"vmsd_name": "x", "version": 1, "fields": []'
    for depth in (MAX_DEPTH, 400, 3000):
        with pytest.raises(SchemaError, match="nests too deeply"):
            read_vmdesc(vmdesc_text("", more=front * depth + "}]" * depth))


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (scalar("a", 2), b"\1"),
        (scalar("a"), b"\1\2"),
        (scalar("a", more='"array_len": 2147483647, '), b"\1" * 64),
        ('{"name": "a", "type": "buffer", "size": 4294967295}', b"\1" * 64),
        ('{"name": "a", "type": "bitmap", "size": 4294967288}', b"\1" * 64),
        ('{"name": "a", "type": "unused_buffer", "size": 4294967295}', b"\1" * 64),
        ('{"name": "a", "array_len": 2147483647, "type": "unused_buffer", "size": 4294967295}', b"\1" * 64),
        ('{"name": "a", "array_len": 2147483647, "type": "nullptr", "size": 1}', b"0" * 64),
        (structure("a", [], 0, '"array_len": 2147483647, '), b""),
        (structure("a", [structure("b", [], 0, '"array_len": 1000, ')], 0, '"array_len": 2147483647, '), b""),
        (structure("a", [scalar("a", more='"array_len": 0, ')], 0, '"array_len": 2147483647, '), b""),
        ('{"name": "a", "array_len": 2147483647, "type": "buffer", "size": 0}', b""),
        ('{"name": "a", "array_len": 2147483647, "type": "its own", "size": 0}', b""),
    ],
)
def test_descriptions_that_lie_about_the_bytes(fields: str, body: bytes) -> None:
    data = stream_with(vmdesc_text(fields), body)
    tracemalloc.start()
    try:
        with pytest.raises(VMStateError) as caught:
            load(data, library=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.section == "dev"
    assert caught.value.offset is not None
    assert peak < 1 << 20


# Mutated JSON

SEED = vmdesc_text(
    ", ".join(
        [
            scalar("a"),
            scalar("b", 2, '"array_len": 3, '),
            structure("s", [scalar("x"), scalar("y", 4)], 5, '"array_len": 2, '),
            elements(INDICES["7.2"], [1, 2, 1]),
            list_node("qtailq", [keys([scalar("q")])] * 2, 5),
            '{"name": "u", "type": "unused_buffer", "size": 2}',
            '{"name": "m", "type": "bitmap", "size": 8}',
            '{"name": "i", "type": "hand written", "size": 3}',
        ]
    ),
    more=f', "subsections": [{{"vmsd_name": "dev/sub", "version": 1, "fields": [{scalar("s")}]}}]',
)
SEED_BODY = (
    b"\1"
    + bytes(6)
    + bytes(10)
    + bytes(4)
    + b"\1\5\1\6\0"
    + bytes(2)
    + bytes(8)
    + b"abc"
    + b"\x05\7dev/sub\0\0\0\1\x09"
)

SEED_JSON = pairs_of(SEED)
PLACES = list(places(SEED_JSON))


def test_the_seed_is_read() -> None:
    assert read_back(SEED, SEED_BODY)["i"] == b"abc"
    assert json.loads(json_text(SEED_JSON)) == json.loads(SEED)
    assert len(PLACES) > 100


@pytest.mark.slow
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(["replace", "replace", "drop", "double"]), ODD),
        min_size=1,
        max_size=3,
    )
)
def test_mutated_json_is_read_or_refused(changes: list[tuple[int, str, Any]]) -> None:
    tree = SEED_JSON
    for number, change, value in changes:
        known = list(places(tree))
        if known:
            tree = changed(tree, known[number % len(known)], change, value)
    text = as_text(tree)
    data = stream_with(text, SEED_BODY)
    tracemalloc.start()
    try:
        try:
            stream: Stream | None = load(data, library=False)
        except VMStateError as error:
            stream = None
            assert "\n" not in str(error)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= (1 << 20) + 64 * len(data)
    if stream is not None:
        assert stream.to_bytes() == data
        try:
            json.loads(stream.write_vmdesc())
        except VMStateError as error:
            assert "\n" not in str(error)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_read_or_refused(flips: list[tuple[int, int]]) -> None:
    text = bytearray(SEED)
    for place, value in flips:
        text[place] = value
    try:
        vmdesc = read_vmdesc(bytes(text))
        load(stream_with(SEED, SEED_BODY), vmdesc=vmdesc, library=False)
    except VMStateError as error:
        assert "\n" not in str(error)


def test_memory_of_reading_is_bounded() -> None:
    for file in (BARE, MICROVM, "recorded/qemu-11.1-pc-devices2-cold.mig.xz"):
        text = find_vmdesc(memoryview(plain(file)))
        assert text is not None
        read_vmdesc.cache_clear()
        tracemalloc.start()
        try:
            read_vmdesc(text)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= (1 << 20) + 64 * len(text)


# Numbers that are there more often than devices


def test_random_sizes_of_opaque_fields_are_found_by_the_footer() -> None:
    """Another stream's opaque field may be shorter or longer; what follows it must still fit."""
    fields = '{"name": "i", "type": "hand written", "size": 8}, ' + scalar("z", 4)
    vmdesc = read_vmdesc(vmdesc_text(fields))
    for size in (0, 1, 7, 9, 100, 5000):
        body = random.Random(size).randbytes(size)
        data = stream_with(vmdesc_text(scalar("q")), body + b"\0\0\0\7")
        stream = load(data, vmdesc=vmdesc, library=False)
        assert stream.sections[0].state == {"i": body, "z": 7}
        assert [entry.size for entry in stream.sections[0].trace().values()] == [size, 4]
        # The same where the footer is still to come.
        reader = StreamReader(vmdesc=vmdesc, library=False)
        told = []
        for piece in (*(data[at : at + 13] for at in range(0, len(data), 13)), b""):
            reader.receive_data(piece)
            told += reader.events()
        assert told == list(StreamReader.over(memoryview(data), vmdesc=vmdesc, library=False).events())


def test_the_opaque_field_that_is_longer_is_found_among_several() -> None:
    """Taken to be the first, the rest of the section would run over the end of the data."""
    node = list_node("qtailq", [keys([scalar("q", 8)])], 10)
    front, back = ('{"name": "%s", "type": "hand written", "size": 2}' % name for name in "ab")  # noqa: UP031
    vmdesc = read_vmdesc(vmdesc_text(f"{front}, {node}, {back}"))
    section = struct.pack(">BIB3sII", 4, 9, 3, b"dev", 0, 1) + b"xy" + b"\0" + b"\1" * 6 + struct.pack(">BI", 0x7E, 9)
    stream = load(b"QEVM\0\0\0\3" + section + b"\0", vmdesc=vmdesc, library=False)
    assert stream.sections[0].state == {"a": b"xy", "l": [], "b": b"\1" * 6}


# -dump-vmstate

MACHINES = {file: known["machine"] for file, known in DUMPS.items() if "machine" in known}


@lru_cache(maxsize=2)
def dump_text(file: str) -> bytes:
    return lzma.decompress((FIXTURES / file).read_bytes())


def compare(vmsd: VMStateDescription, obj: dict[str, Any]) -> None:
    """A description says what the JSON says."""
    assert (vmsd.name, vmsd.version_id, vmsd.minimum_version_id) == (
        obj["name"],
        obj["version_id"],
        obj["minimum_version_id"],
    )
    for field, entry in zip(vmsd.fields, obj.get("Fields", []), strict=True):
        assert (field.name, field.version, field.count) == (entry["field"], entry["version_id"], entry.get("num"))
        assert (field.exists is not None) == entry["field_exists"]
        assert field.type.size == entry["size"]  # type: ignore[attr-defined]
        children = field.type.children()
        assert len(children) == ("Description" in entry)
        if children:
            compare(children[0], entry["Description"])
    for sub, entry in zip(vmsd.subsections, obj.get("Subsections", []), strict=True):
        assert sub.needed is not None
        compare(sub.vmsd, entry)


@pytest.mark.parametrize("file", MACHINES)
def test_dumps_are_read(file: str) -> None:
    text = dump_text(file)
    raw = json.loads(text)
    dump = read_dump(text)
    assert isinstance(dump, Dump)
    assert dump.machine == raw.pop("vmschkmachine")["Name"] == MACHINES[file]
    assert dump.devices.keys() == raw.keys()
    assert len(dump.devices) > (150 if "q35" in file else 30)
    for device, entry in raw.items():
        compare(dump.devices[device], entry["Description"])


@pytest.mark.parametrize("file", MACHINES)
def test_a_codec_of_a_dump_is_refused_by_name(file: str) -> None:
    refused = 0
    for vmsd in read_dump(dump_text(file)).devices.values():
        first = next((part.fields[0].name for part in vmsd.walk() if part.fields), None)
        if first is None:
            assert vmsd.decode(b"") == {}
            continue
        for ask in (lambda vmsd=vmsd: vmsd.decode(b""), lambda vmsd=vmsd: vmsd.encode({})):
            with pytest.raises(DescriptionError) as caught:
                ask()
            assert repr(first) in str(caught.value), vmsd
        refused += 1
    assert refused > (150 if "q35" in file else 30)


SMALL_DUMP: dict[str, Any] = {
    "vmschkmachine": {"Name": "pc"},
    "dev": {
        "Name": "dev",
        "version_id": 2,
        "minimum_version_id": 1,
        "Description": {
            "name": "dev",
            "version_id": 2,
            "minimum_version_id": 1,
            "Fields": [
                {"field": "a", "version_id": 0, "field_exists": False, "size": 4},
                {
                    "field": "b",
                    "version_id": 1,
                    "field_exists": True,
                    "size": 8,
                    "num": 3,
                    "Description": {"name": "in", "version_id": 1, "minimum_version_id": 1, "Fields": []},
                },
            ],
            "Subsections": [{"name": "dev/s", "version_id": 1, "minimum_version_id": 1, "Fields": []}],
        },
    },
}


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.sampled_from(["replace", "replace", "drop"]), ODD)
def test_mutated_dumps_are_read_or_refused(number: int, change: str, value: Any) -> None:
    tree = pairs_of(json.dumps(SMALL_DUMP))
    known = list(places(tree))
    text = as_text(changed(tree, known[number % len(known)], change, value))
    try:
        dump = read_dump(text)
    except SchemaError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(vmsd, VMStateDescription) for vmsd in dump.devices.values())


def test_what_is_unknown_in_a_subsection_is_named_too() -> None:
    dump = json.loads(json.dumps(SMALL_DUMP))
    description = dump["dev"]["Description"]
    description["Subsections"][0]["Fields"] = description.pop("Fields")
    with pytest.raises(DescriptionError, match="does not say the type of 'a'"):
        read_dump(json.dumps(dump).encode()).devices["dev"].decode(b"")


def test_dumps_that_cannot_be() -> None:
    for text in (b"", b"[]", b"{", b'{"x": 1}', b'{"x": {}}', b'{"x": {"Description": {}}}', b'{"vmschkmachine": 3}'):
        with pytest.raises(SchemaError, match=r"dump-vmstate|Description|lacks"):
            read_dump(text)
    front = '{"name": "x", "version_id": 1, "minimum_version_id": 1, "Subsections": ['
    for depth in (MAX_DEPTH + 1, 300, 10_000):
        with pytest.raises(SchemaError, match="nests too deeply"):
            read_dump(('{"x": {"Description": ' + front * depth + "]}" * depth + "}}").encode())


def test_a_dump_keeps_what_it_does_not_say_unknown() -> None:
    vmsd = read_dump(json.dumps(SMALL_DUMP).encode()).devices["dev"]
    assert [field.count for field in vmsd.fields] == [None, 3]
    assert not any(isinstance(field.type, t.Scalar) for field in vmsd.fields)
