"""Where sizes are at their limits: elements that take least, arrays that end the data, names that repeat."""

from __future__ import annotations

from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import pytest

from vmstate.codec import load_state, save_state
from vmstate.codec.asked import judge
from vmstate.codec.runtime import EMPTY_LIMIT
from vmstate.errors import DecodeError, EncodeError, TruncatedError
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import (
    array,
    boolean,
    description,
    keyed_list,
    later,
    one_of,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
)
from vmstate.vmsd.description import Field, Pointers, Subsection, VMStateDescription
from vmstate.vmsd.expr import fact, not_, this, up
from vmstate.vmsd.rule import never
from vmstate.vmsd.state import State, VMState


def described(*fields: Field, name: str = "outer", version_id: int = 0) -> VMStateDescription:
    return VMStateDescription(name, fields, version_id)


SMALLEST = {
    "a check": (t.Validate("", this.zero == 0), b""),
    "unused bytes, none of them": (t.Unused("unused_buffer", 0), b""),
    "a marker": (t.Nullptr("nullptr"), b"\x30"),
    "a byte": (t.UINT8, b"\x07"),
}


@pytest.mark.parametrize(("kind", "data"), SMALLEST.values(), ids=list(SMALLEST))
def test_an_array_of_the_smallest_elements_can_end_the_data(kind: t.WireType, data: bytes) -> None:
    """However little is left, it is enough for as many elements as it holds."""
    inner = described(Field("zero", t.Host("", 0)), Field("v", kind), name="inner")
    of_number = described(Field("v", t.Struct("struct", inner), count=3))
    of_count = described(Field("n", t.UINT8), Field("v", t.Struct("struct", inner), count=this.n))
    assert len(of_number.decode(data * 3)["v"]) == 3
    assert len(of_count.decode(b"\3" + data * 3)["v"]) == 3
    if data:
        for cut in (of_number, data * 2), (of_count, b"\3" + data * 2):
            with pytest.raises(DecodeError):
                cut[0].decode(cut[1])


@pytest.mark.parametrize("version_id", [1, 2])
def test_an_array_of_no_unused_bytes_can_end_the_data(version_id: int) -> None:
    inner = described(Field("n", t.UINT8), Field("pad", t.Unused("unused_buffer", 4), count=this.n), name="inner")
    outer = described(Field("v", t.Struct("struct", inner), count=2), version_id=version_id)
    assert len(outer.decode(b"\0\0")["v"]) == 2
    assert len(outer.decode(b"\0\1abcd")["v"]) == 2
    with pytest.raises(DecodeError):
        outer.decode(b"\0\1abc")


def test_an_array_of_text_asks_for_a_byte_of_every_element_at_once() -> None:
    vmsd = described(Field("n", t.UINT8), Field("v", t.CountedString("capability"), count=this.n))
    assert vmsd.decode(b"\3\1a\0\1b")["v"] == ["a", "", "b"]
    with pytest.raises(TruncatedError) as caught:
        vmsd.decode(b"\5\0\0\0")
    assert (caught.value.offset, caught.value.needed) == (1, 6)


def test_an_array_of_one_of_several_that_takes_nothing_can_end_the_data() -> None:
    kind = t.Choice("", up.kind, ((0, t.Buffer("buffer", 0)), (1, t.UINT8)))
    inner = described(Field("v", kind), name="inner")
    outer = described(Field("kind", t.UINT8), Field("v", t.Struct("struct", inner), count=3))
    assert [element["v"] for element in outer.decode(b"\0")["v"]] == [b""] * 3
    assert [element["v"] for element in outer.decode(b"\1\2\3\4")["v"]] == [2, 3, 4]


@description("route")
class Route(VMState):
    number: int = uint32()
    metric: int = uint8()


@description("routes")
class Routes(VMState):
    routes: list[Route] = keyed_list(Route)


def test_a_list_that_a_key_of_zero_ends_is_loaded_and_saved() -> None:
    data = bytes.fromhex("00000002 07 00000001 09 00000000")
    device = SimpleNamespace()
    vmsd = Routes.vmsd
    assert load_state(vmsd, data, device) == len(data)
    assert [(route.number, route.metric) for route in device.routes] == [(2, 7), (1, 9)]
    assert save_state(vmsd, device) == data == vmsd.encode(vmsd.decode(data))


@description("range")
class Range(VMState):
    flags: int = uint64()
    pages: int | None = uint8(exists=this.flags == 2)


@description("ranges")
class Ranges(VMState):
    ranges: list[Range] = keyed_list(Range, key=uint64, end=1)


def test_a_list_that_another_key_ends() -> None:
    """A key of zero is one as any other there, and no element can have that which ends the list."""
    data = b"".join(key.to_bytes(8, "big") + rest for key, rest in ((2, b"\7"), (0, b""), (8, b""), (1, b"")))
    vmsd = Ranges.vmsd
    state = vmsd.decode(data)
    assert [(entry.flags, entry.pages) for entry in state.ranges] == [(2, 7), (0, None), (8, None)]
    device = SimpleNamespace()
    assert load_state(vmsd, data, device) == len(data)
    assert save_state(vmsd, device) == data == vmsd.encode(state)
    state.ranges[1].flags = 1
    with pytest.raises(EncodeError, match="a key other than 0x1, which would end the list"):
        vmsd.encode(state)


# Subsections behind the elements of an array.


@description("word")
class Word:
    high: int = uint64()
    low: int = uint64()


@description("words")
class Words:
    before: int = uint8()
    words: list[Word] = array(Word, 2)
    after: int = uint16()


def test_what_looks_like_a_subsection_of_an_element_is_one() -> None:
    """Behind each element QEMU looks for a subsection with the struct's name in front, and does not know this one."""
    element = bytes(16)
    looks_like = b"\x05\x06word/x\0\0\0\1abcd"
    assert len(looks_like) == len(element)
    assert Words.vmsd.decode(b"\1" + element * 2 + b"\0\2").words[1] == Word(high=0, low=0)
    with pytest.raises(DecodeError, match="word/x"):
        Words.vmsd.decode(b"\1" + element + looks_like + b"\0\2")
    # Where something else has such bytes, they are values.
    values = looks_like.replace(b"word/x", b"ward/x")
    state = Words.vmsd.decode(b"\1" + element + values + b"\0\2")
    assert state.words[1].high == int.from_bytes(values[:8], "big")


def test_a_trace_shows_the_fields_of_every_element() -> None:
    data = b"\1" + bytes(range(32)) + b"\0\2"
    trace = Words.vmsd.trace(data)
    assert {"words[0].high", "words[0].low", "words[1].high", "words[1].low"} <= trace.keys()
    assert [trace[f"words[{index}].low"].offset for index in range(2)] == [9, 25]


@description("flagged")
class Flagged:
    flag: bool = boolean()
    pad: None = unused(2)
    value: int = uint8()


@description("many flagged")
class ManyFlagged:
    rows: list[Flagged] = array(Flagged, 40)


@pytest.mark.parametrize("odd", [None, b"\2\0\0\1", b"\1\0\3\1", b"\xff\1\1\0"])
def test_elements_that_somebody_looked_at_are_written_as_they_were(odd: bytes | None) -> None:
    """A flag that is neither 0 nor 1 and padding that is not 0 are no values, and go back all the same."""
    rows = [bytes((number & 1, 0, 0, number >> 1 & 1)) for number in range(40)]
    if odd is not None:
        rows[17] = odd
    data = b"".join(rows)
    state = ManyFlagged.vmsd.decode(data)
    assert [row.value for row in state.rows] == [row[3] for row in rows]
    assert [row.flag for row in state.rows] == [row[0] != 0 for row in rows]
    assert ManyFlagged.vmsd.encode(state) == data
    state.rows[3].value = 1
    assert ManyFlagged.vmsd.encode(state) == data[:15] + b"\1" + data[16:]
    state.rows[17].value = 0
    assert ManyFlagged.vmsd.encode(state)[68:72] == rows[17][:3] + b"\0"


# construct


def test_construct_takes_as_many_empty_elements_as_the_codec() -> None:
    construct = pytest.importorskip("construct")
    empty = VMStateDescription("empty")
    vmsd = described(Field("n", t.UINT32), Field("v", t.Struct("struct", empty), count=this.n))
    exported = vmsd.as_construct()
    assert len(exported.parse(EMPTY_LIMIT.to_bytes(4, "big")).v) == EMPTY_LIMIT
    assert len(vmsd.decode(EMPTY_LIMIT.to_bytes(4, "big"))["v"]) == EMPTY_LIMIT
    with pytest.raises(construct.ConstructError):
        exported.parse((EMPTY_LIMIT + 1).to_bytes(4, "big"))


def test_construct_reads_a_subsection_where_its_name_stands() -> None:
    pytest.importorskip("construct")
    more = described(Field("b", t.UINT16), name="dev/more", version_id=3)
    vmsd = VMStateDescription("dev", [Field("a", t.UINT8)], subsections=[Subsection(more, "more")])
    data = b"\7\5\x08dev/more\0\0\0\3\1\2"
    exported = vmsd.as_construct()
    parsed = exported.parse(data)
    assert (parsed.a, parsed.more.b) == (7, 0x102) == (vmsd.decode(data)["a"], vmsd.decode(data)["more"]["b"])
    assert exported.build(parsed) == data


def test_construct_has_nothing_for_fields_of_later_versions() -> None:
    pytest.importorskip("construct")
    fields = [
        Field("a", t.UINT8),
        Field("b", t.UINT8, version=2),
        Field("pad", t.Unused("unused_buffer", 2), version=2),
    ]
    exported = VMStateDescription("dev", fields, 2, 1).as_construct(version_id=1)
    parsed = exported.parse(b"\7")
    assert (parsed.a, parsed.b) == (7, None)
    assert exported.build(parsed) == b"\7"


def test_construct_reads_a_marker_before_each_pointer() -> None:
    construct = pytest.importorskip("construct")
    inner = described(Field("a", t.UINT8), name="inner")
    vmsd = described(Field("v", t.Struct("struct", inner), count=3, pointers=Pointers.ALL_MARKED))
    data = b"\x31\7\x30\x31\x09"
    exported = vmsd.as_construct()
    parsed = exported.parse(data)
    assert [None if element is None else element.a for element in parsed.v] == [7, None, 9]
    assert exported.build(parsed) == data == vmsd.encode(vmsd.decode(data))
    with pytest.raises(construct.ConstructError):
        exported.parse(b"\x32" + data[1:])


def test_construct_gives_a_member_of_the_host_its_value() -> None:
    pytest.importorskip("construct")
    exported = described(Field("limit", t.Host("", 7)), Field("v", t.UINT8)).as_construct()
    parsed = exported.parse(b"\2")
    assert (parsed.limit, parsed.v) == (7, 2)
    assert exported.build({"limit": 5, "v": 3}) == b"\3"


@pytest.mark.parametrize(
    ("second", "version_id"),
    [
        (Field("b", t.UINT8, attribute="v", count=2), 1),
        (Field("b", t.UINT8, attribute="v", count=2, version=1), 1),
        (Field("b", t.UINT8, attribute="v", count=2, version=2), 2),
        (Field("b", t.UINT8, attribute="v", count=2, version=2), 1),
        (Field("b", t.UINT8, attribute="v", count=4, dims=(2, 2)), 1),
        (Field("b", t.UINT8, attribute="v", count=4, dims=(2, 2), version=2), 2),
    ],
)
def test_construct_gathers_a_name_that_repeats_as_the_codec_does(second: Field, version_id: int) -> None:
    pytest.importorskip("construct")
    vmsd = VMStateDescription("gathered", [Field("a", t.UINT8, attribute="v"), second], 2, 1)
    exported = vmsd.as_construct(version_id=version_id)
    data = bytes(range(1, 6))
    size = 1 if second.version > version_id else 1 + (second.count or 1)
    ours, theirs = vmsd.decode(data[:size], version_id=version_id), exported.parse(data[:size])
    assert list(ours["v"]) == list(theirs.v)
    assert exported.build(theirs) == data[:size]


# Bitmaps and choices.


@pytest.mark.parametrize("bits", [0, 1, 2, 63, 64, 65, 127, 128, 129])
def test_a_bitmap_has_as_many_words_as_its_bits_need(bits: int) -> None:
    words = -(-bits // 64)
    vmsd = described(Field("n", t.UINT8), Field("map", t.Bitmap("bitmap", this.n)))
    value = (1 << bits) - 1
    data = bytes([bits]) + b"".join((value >> 64 * word & (1 << 64) - 1).to_bytes(8, "big") for word in range(words))
    assert vmsd.decode(data)["map"] == value
    assert vmsd.encode(State({"n": bits, "map": value})) == data
    assert construct_of(vmsd, data) == value
    with pytest.raises(DecodeError):
        vmsd.decode(data[:-1])


def construct_of(vmsd: VMStateDescription, data: bytes) -> object:
    pytest.importorskip("construct")
    return vmsd.as_construct().parse(data).map


@description("chosen")
class Chosen:
    kind: int = uint8()
    value: Any = one_of(this.kind, {1: Word, 2: later("nowhere:NoSuchClass")})


def test_what_no_case_is_for_is_refused() -> None:
    assert Chosen.vmsd.decode(b"\1" + bytes(16)).value == Word(high=0, low=0)
    with pytest.raises(DecodeError, match=r"selects nothing.*one of 1, 2.*3") as caught:
        Chosen.vmsd.decode(b"\3" + bytes(16))
    assert caught.value.offset == 1
    lists = described(
        Field("kinds", t.UINT8, count=2),
        Field("value", t.Choice("struct", this.kinds, ((1, t.Struct("struct", Word.vmsd)),))),
    )
    with pytest.raises(DecodeError, match="selects nothing"):
        lists.decode(b"\1\1" + bytes(16))


# Trees, versions, and what only a destination judges.


def test_an_array_of_empty_trees_can_end_the_data() -> None:
    tree = t.GTree("gtree", None, Word.vmsd, 0)
    inner = described(Field("tree", tree), name="inner")
    outer = described(Field("v", t.Struct("struct", inner), count=2))
    assert [element["tree"] for element in outer.decode(bytes(10))["v"]] == [[], []]
    with pytest.raises(DecodeError):
        outer.decode(bytes(9))


@pytest.mark.parametrize("version_id", [0, 3])
def test_a_version_that_there_is_not_is_wrong_from_the_start(version_id: int) -> None:
    vmsd = VMStateDescription("versions", [Field("a", t.UINT8)], 2, 1)
    for read in vmsd.decode, vmsd.trace:
        with pytest.raises(DecodeError, match="version") as caught:
            read(b"\1", version_id=version_id)
        assert caught.value.offset == 0


def test_what_no_release_reads_is_broken_at_a_destination_alone() -> None:
    gone = never("gone", "no release reads it")
    vmsd = VMStateDescription("outdated", [Field("a", t.UINT8, rules=(gone,))])
    state = vmsd.decode(b"\1")
    assert [(broken.rule.id, broken.is_judged) for broken in judge(vmsd, state, own=state)] == [("gone", True)]
    assert not any(broken.is_judged for broken in judge(vmsd, state))


@pytest.mark.parametrize("proven", [False, True])
def test_a_fact_that_an_end_proves_is_tried_until_it_fits(proven: bool) -> None:
    """Where nothing can end by chance, a second reading beside the one that fits is looked for only of other facts."""
    first, second = fact("first", proven=proven), fact("second")

    @description("guessed")
    class Guessed(VMState):
        low: int | None = uint16(exists=first)
        high: int | None = uint16(exists=not_(first))

    @description("guessed twice")
    class Twice(Guessed):
        odd: int | None = uint8(exists=second)
        even: int | None = uint8(exists=not_(second))

    data = memoryview(b"\0\1")
    if proven:
        assert (Guessed.vmsd.decode(data).low, Guessed.vmsd.decode(data).high) == (None, 1)
    else:
        with pytest.raises(DecodeError, match="two ways") as raised:
            Guessed.vmsd.decode(data)
        assert raised.value.found == "first=False and first=True"
    with pytest.raises(DecodeError, match="two ways"):
        # That the caller takes any end proves nothing.
        Guessed.vmsd.codec.decode_at(data, 0, accept=len(data).__eq__)
    with pytest.raises(DecodeError, match="two ways") as raised:
        Twice.vmsd.decode(b"\0\1\2")
    assert raised.value.found is not None and raised.value.found.endswith("second=False and second=True")


def test_a_proven_fact_gives_way_where_its_first_value_does_not_fit() -> None:
    @description("wide")
    class Wide(VMState):
        more: int | None = uint16(exists=fact("wide", proven=True))
        value: int = uint8()

    assert Wide.vmsd.decode(b"\3").more is None
    assert Wide.vmsd.decode(b"\0\1\3").more == 1


def test_a_count_and_a_size_can_be_named_numbers() -> None:
    class Sizes(IntEnum):
        PAIR = 2

    @description("named")
    class Named(VMState):
        pair: list[int] = array(uint8(), Sizes.PAIR)
        kind: int = uint8()
        each: list[int] = array(one_of(this.kind, {1: uint8()}), Sizes.PAIR)

    state = Named.vmsd.decode(b"\1\2\1\3\4")
    assert (state.pair, state.each) == ([1, 2], [3, 4])
