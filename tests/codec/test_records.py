"""`Records`: a table of structs of fixed size behaves as the list it stands for."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from typing import Any

import pytest

from vmstate import EncodeError, Records
from vmstate.vmsd.declare import (
    array,
    boolean,
    description,
    int16,
    uint8,
    uint16,
    uint32,
    uint32_little,
    uint64_words,
    unused,
    varray,
)
from vmstate.vmsd.expr import this


@description("row")
class Row:
    a: int = uint8()
    b: int = uint16()
    c: bool = boolean()


@description("table")
class Table:
    n: int = uint8()
    rows: list[Row] = varray(Row, count=this.n)


@description("pair")
class Pair:
    left: list[Row] = array(Row, 2)
    right: list[Row] = array(Row, 2)


DATA = b"\3" + bytes.fromhex("01 0002 01  03 0004 00  05 0006 07")


def table() -> Any:
    return Table.vmsd.decode(DATA)


def rows() -> list[Row]:
    return [Row(a=1, b=2, c=True), Row(a=3, b=4), Row(a=5, b=6, c=True)]


def test_it_reads_as_a_list() -> None:
    records = table().rows
    assert isinstance(records, Records)
    assert len(records) == 3
    assert records == rows()
    assert list(records) == rows()
    assert records[-1] == rows()[2]
    assert records[1:] == rows()[1:]
    assert records != rows()[:2]
    assert records != "rows"
    assert repr(records) == repr(rows())
    for index in (3, -4):
        with pytest.raises(IndexError):
            records[index]


def test_what_nobody_touched_is_equal_by_its_bytes() -> None:
    assert table().rows == table().rows
    same_table = table()
    same_table.rows[0].a = 2
    assert same_table.rows != table().rows
    # The bool of the last row is another byte, and the same value.
    assert Table.vmsd.decode(DATA[:-1] + b"\1").rows == table().rows


def test_looking_changes_nothing() -> None:
    state = table()
    assert [row.a for row in state.rows] == [1, 3, 5]
    assert Table.vmsd.encode(state) == DATA


CHANGES: dict[str, Callable[[Any], object]] = {
    "an attribute": lambda rows: setattr(rows[1], "b", 9),
    "an element": lambda rows: rows.__setitem__(1, Row(a=9)),
    "the last": lambda rows: rows.__setitem__(-1, Row(a=9)),
    "append": lambda rows: rows.append(Row(a=9)),
    "insert": lambda rows: rows.insert(1, Row(a=9)),
    "delete": lambda rows: rows.__delitem__(0),
    "pop": lambda rows: rows.pop(),
    "slice": lambda rows: rows.__setitem__(slice(0, 2), [Row(a=9)]),
    "delete a slice": lambda rows: rows.__delitem__(slice(1, None)),
    "extend": lambda rows: rows.extend([Row(a=9), Row()]),
    "reverse": lambda rows: rows.reverse(),
    "clear": lambda rows: rows.clear(),
    "look, then change": lambda rows: (rows[0], rows.append(rows[0])),
    "change, then change": lambda rows: (setattr(rows[0], "a", 8), rows.insert(0, Row())),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_it_changes_as_a_list(change: Callable[[Any], object]) -> None:
    state, plain = table(), rows()
    change(state.rows)
    change(plain)
    assert state.rows == plain
    state.n = len(plain)
    written = Table.vmsd.encode(state)
    assert Table.vmsd.decode(written).rows == plain
    # Nothing but the odd bool is written otherwise.
    assert bytes(written).replace(b"\7", b"\1") == Table.vmsd.encode(Table(n=len(plain), rows=plain))


def test_an_element_of_one_table_in_another() -> None:
    state = Pair.vmsd.decode(bytes(range(16)))
    state.left[0], state.right[1] = state.right[1], state.left[0]
    assert Pair.vmsd.encode(state)[:4] == bytes((12, 13, 14, 15))
    assert Pair.vmsd.encode(state)[12:] == bytes((0, 1, 2, 3))


def test_a_copy_is_another() -> None:
    state = table()
    again = copy.deepcopy(state)
    again.rows[0].a = 9
    assert state.rows == rows()
    assert Table.vmsd.encode(again) == DATA[:1] + b"\x09" + DATA[2:]


@description("numbers")
class Numbers:
    a: int = uint8()
    pad: None = unused(1)
    b: int = int16()
    c: bool = boolean()
    words: int = uint64_words()


@description("lists")
class Lists:
    a: int = uint16()
    pair: list[int] = array(uint32, 2)
    flags: list[bool] = array(boolean, 2)


@description("pairs of words")
class PairOfWords:
    words: list[int] = array(uint64_words, 2)
    end: int = uint8()


@description("pairs")
class Pairs:
    pairs: list[PairOfWords] = array(PairOfWords, 20)


def test_an_array_of_numbers_that_are_sent_in_two_words() -> None:
    data = b"".join(struct.pack(">IIIIB", number, 1, 2, number, number) for number in range(20))
    state = Pairs.vmsd.decode(data)
    assert [row.words for row in state.pairs] == [[1 << 32 | number, number << 32 | 2] for number in range(20)]
    assert [row.end for row in state.pairs] == list(range(20))
    state.pairs[3].words[1] = 5 << 32 | 6
    changed = data[:51] + struct.pack(">IIIIB", 3, 1, 6, 5, 3) + data[68:]
    assert Pairs.vmsd.encode(state) == changed
    assert Pairs.vmsd.encode(Pairs.vmsd.decode(changed)) == changed


@description("little")
class Little:
    word: int = uint32_little()


COUNT = 40


@description("long tables")
class Long:
    numbers: list[Numbers] = array(Numbers, COUNT)
    lists: list[Lists] = array(Lists, COUNT)
    little: list[Little] = array(Little, COUNT)


LONG = (
    b"".join(
        bytes((n, 0)) + (-n).to_bytes(2, "big", signed=True) + bytes((n & 1, 0, 0, 0, n, 0, 0, 0, n & 3))
        for n in range(COUNT)
    )
    + b"".join(bytes((0, n, 0, 0, 0, n, 0, 0, 1, 0, 1, n & 1)) for n in range(COUNT))
    + b"".join(n.to_bytes(4, "little") for n in range(COUNT))
)


def long_state() -> Any:
    return Long.vmsd.decode(LONG)


def test_a_long_table_is_read_at_once() -> None:
    state = long_state()
    for number, (row, lists, little) in enumerate(zip(state.numbers, state.lists, state.little, strict=True)):
        wanted = Numbers(a=number, b=-number, c=bool(number & 1), words=(number & 3) << 32 | number)
        assert (row, state.numbers[number]) == (wanted, wanted)
        assert lists == Lists(a=number, pair=[number, 256], flags=[True, bool(number & 1)])
        assert little.word == number
    assert Long.vmsd.encode(state) == LONG
    assert (
        Long.vmsd.encode(Long(numbers=list(state.numbers), lists=list(state.lists), little=list(state.little))) == LONG
    )


def changed(state: Any) -> list[int]:
    """The places of the bytes that are written otherwise."""
    return [
        place
        for place, (first, second) in enumerate(zip(LONG, Long.vmsd.encode(state), strict=True))
        if first != second
    ]


@pytest.mark.parametrize("looked_at", [0, 1, 20, COUNT])
def test_a_change_in_a_long_table(looked_at: int) -> None:
    for number in (0, 5, COUNT - 1):
        state = long_state()
        for place in range(looked_at):
            assert state.numbers[place].a == state.lists[place].a == place
        state.numbers[number].words ^= 1 << 40
        assert changed(state) == [number * 13 + 11]
        state = long_state()
        assert list(state.lists)[number].a == number
        state.lists[number].pair[1] += 1
        assert changed(state) == [COUNT * 13 + number * 12 + 9]


def test_many_changes_in_a_long_table() -> None:
    state = long_state()
    for row in state.numbers:
        row.a ^= 0x80
    assert changed(state) == [number * 13 for number in range(COUNT)]
    state.numbers[1], state.numbers[2] = state.numbers[2], state.numbers[1]
    swapped = LONG[:13] + LONG[26:39] + LONG[13:26] + LONG[39:]
    assert bytes(Long.vmsd.encode(state))[1::13][:3] == swapped[1::13][:3]
    assert state.numbers[1].words == 2 << 32 | 2


def test_a_copy_of_an_element_changes_for_itself() -> None:
    state = long_state()
    for row in state.numbers:
        assert row.a < COUNT
    state.numbers[3] = copy.copy(state.numbers[3])
    assert changed(state) == []
    state.numbers[3].a = 200
    assert changed(state) == [3 * 13]


@pytest.mark.parametrize("place", [4 * 13 + 4, 4 * 13 + 1, COUNT * 13 + 10])
def test_what_qemu_writes_otherwise_stays_in_a_long_table(place: int) -> None:
    raw = LONG[:place] + b"\7" + LONG[place + 1 :]
    state = Long.vmsd.decode(raw)
    assert all(row.c == bool(row.a & 1) for row in state.numbers if row.a != 4)
    assert all(lists.flags[0] for lists in state.lists)
    assert Long.vmsd.encode(state) == raw


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        (lambda state: setattr(state.numbers[7], "a", 256), "numbers[7].a"),
        (lambda state: setattr(state.numbers[7], "c", 2), "numbers[7].c"),
        (lambda state: setattr(state.numbers[7], "words", 1 << 64), "numbers[7].words"),
        (lambda state: setattr(state.numbers[7], "words", -1), "numbers[7].words"),
        (lambda state: state.lists[7].pair.append(1), "lists[7].pair"),
        (lambda state: state.lists[7].flags.__setitem__(1, 2), "lists[7].flags[1]"),
        (lambda state: setattr(state.lists[7], "pair", b"12"), "lists[7].pair"),
        (lambda state: state.little.__setitem__(7, None), "little[7]"),
    ],
)
def test_what_cannot_be_written_is_named_in_a_long_table(spoil: Callable[[Any], object], path: str) -> None:
    state = long_state()
    assert [len(list(each)) for each in (state.numbers, state.lists, state.little)] == [COUNT] * 3
    spoil(state)
    with pytest.raises(EncodeError) as raised:
        Long.vmsd.encode(state)
    assert raised.value.path == path
