"""`Records`: a table of structs of fixed size behaves as the list it stands for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from vmstate import Records
from vmstate.vmsd.declare import array, boolean, description, uint8, uint16, varray
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
    found = table().rows
    assert isinstance(found, Records)
    assert len(found) == 3
    assert found == rows()
    assert list(found) == rows()
    assert found[-1] == rows()[2]
    assert found[1:] == rows()[1:]
    assert found != rows()[:2]
    assert found != "rows"
    assert repr(found) == repr(rows())
    for index in (3, -4):
        with pytest.raises(IndexError):
            found[index]


def test_what_nobody_touched_is_equal_by_its_bytes() -> None:
    assert table().rows == table().rows
    other = table()
    other.rows[0].a = 2
    assert other.rows != table().rows
    # The bool of the last row is another byte, and the same value.
    assert Table.vmsd.decode(DATA[:-1] + b"\1").rows == table().rows


def test_looking_changes_nothing() -> None:
    state = table()
    assert [row.a for row in state.rows] == [1, 3, 5]
    assert Table.vmsd.encode(state) == DATA


CHANGES: dict[str, Callable[[Any], object]] = {
    "an attribute": lambda found: setattr(found[1], "b", 9),
    "an element": lambda found: found.__setitem__(1, Row(a=9)),
    "the last": lambda found: found.__setitem__(-1, Row(a=9)),
    "append": lambda found: found.append(Row(a=9)),
    "insert": lambda found: found.insert(1, Row(a=9)),
    "delete": lambda found: found.__delitem__(0),
    "pop": lambda found: found.pop(),
    "slice": lambda found: found.__setitem__(slice(0, 2), [Row(a=9)]),
    "delete a slice": lambda found: found.__delitem__(slice(1, None)),
    "extend": lambda found: found.extend([Row(a=9), Row()]),
    "reverse": lambda found: found.reverse(),
    "clear": lambda found: found.clear(),
    "look, then change": lambda found: (found[0], found.append(found[0])),
    "change, then change": lambda found: (setattr(found[0], "a", 8), found.insert(0, Row())),
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
