"""What the class decorator makes, and what it refuses; and what a state keeps beside its values."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable
from typing import Any

import attrs
import pytest

import vmstate  # noqa: F401  (binds the codec)
from vmstate.codec.elements import OddList
from vmstate.errors import DescriptionError, EncodeError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import (
    array,
    array_of_pointer,
    boolean,
    buffer,
    chunks,
    counted_string,
    description,
    gtree,
    host,
    keyed_list,
    one_of,
    qlist,
    qtailq,
    struct,
    sub_array,
    subsection,
    text,
    uint8,
    uint8_equal,
    uint16,
    uint32,
    unused,
    unused_varray,
    validate,
    variant,
    varray,
    vstruct,
)
from vmstate.vmsd.description import MAX_DEPTH, Field, Pointers, Subsection, VMStateDescription
from vmstate.vmsd.expr import fact, this, up
from vmstate.vmsd.path import resolve
from vmstate.vmsd.state import State, StateClass, VMState, is_state, items_of, meta_of, residue_of


@description("inner", version_id=2, minimum_version_id=1)
class Inner:
    """A struct inside another."""

    x: int = uint8()
    y: int = uint16()


@description("dev/one", version_id=3, minimum_version_id=2)
class One:
    flag: bool = boolean()


@description("dev/two")
class Two:
    value: int = uint8()


@description("dev", version_id=2, minimum_version_id=1)
class Dev:
    """A device."""

    flag: bool = boolean()
    pad: None = unused(2)
    reg: int = uint32(name="s.reg[0]")
    inner: Inner = struct(Inner)
    table: list[Inner] = array(Inner, 2)
    bits: list[bool] = array(boolean, 3)
    rows: list[list[int]] = array(uint8, 2, 2)
    queue: list[Inner] = qtailq(Inner, version=1)
    late: int | None = uint8(version=2)
    one: One | None = subsection(One)
    two: Two | None = subsection(Two)

    def total(self) -> int:
        return self.reg + self.inner.x


# ---------------------------------------------------------------------------------------------------------------------
# The class.


def test_the_class_takes_keywords_and_has_defaults() -> None:
    dev = Dev()
    assert dev == Dev(flag=False, reg=0, inner=Inner(x=0, y=0), one=None, two=None)
    assert (dev.table, dev.bits, dev.rows) == ([Inner(), Inner()], [False] * 3, [[0, 0], [0, 0]])
    assert dev.queue == []
    assert Dev(reg=5).reg == 5
    assert Dev(reg=5, inner=Inner(x=2)).total() == 7
    for wrong in (lambda: Dev(1), lambda: Dev(nothing=1), lambda: Dev(pad=b"")):
        with pytest.raises(TypeError):
            wrong()


def test_a_class_may_name_the_base_of_states() -> None:
    """For type checkers: it is the same class as without."""

    @description("inner")
    class Inner(VMState):
        a: int = uint8()

    @description("outer")
    class Outer(VMState):
        inner: Inner = struct(Inner)
        more: Inner | None = host(None)

        def doubled(self) -> int:
            return 2 * self.inner.a

    @description("derived")
    class Derived(Outer):
        b: int = uint8()

    assert Inner.__mro__ == (Inner, VMState, object)
    assert Derived.__mro__ == (Derived, Outer, VMState, object)
    state = Derived(inner=Inner(a=3), b=4)
    assert Derived.vmsd.encode(state) == b"\x03\x04"
    assert Derived.vmsd.decode(b"\x03\x04") == state
    assert state.doubled() == 6
    assert not hasattr(state, "__dict__")


def test_each_state_has_defaults_of_its_own() -> None:
    first, second = Dev(), Dev()
    first.inner.x = 1
    first.table[0].x = 1
    first.rows[0][0] = 1
    first.queue.append(Inner())
    assert second == Dev()


def test_a_default_that_is_a_list_is_not_shared() -> None:
    @description("defaults")
    class Defaults:
        values: list[int] = array(uint8, 2, default=[1, 2])
        level: int = uint8(default=7)
        kept: list[int] = host([])

    first, second = Defaults(), Defaults()
    first.values[0] = 9
    assert (second.values, second.level, second.kept) == ([1, 2], 7, [])


def test_the_class_has_slots() -> None:
    with pytest.raises(AttributeError):
        Dev().nothing = 1  # type: ignore[attr-defined]
    assert not hasattr(Dev(), "__dict__")


def test_attrs_takes_it_for_one_of_its_own() -> None:
    assert attrs.has(Dev)
    names = [field.name for field in attrs.fields(Dev)]
    assert names[:3] == ["flag", "reg", "inner"]
    assert "pad" not in names
    assert attrs.evolve(Dev(reg=1), flag=True) == Dev(reg=1, flag=True)
    assert attrs.asdict(Inner(x=1, y=2)) == {"x": 1, "y": 2}


def test_the_class_keeps_what_is_in_its_body() -> None:
    assert Dev.__doc__ == "A device." == Dev.vmsd.doc
    assert Dev.__name__ == "Dev"
    assert Dev.vmsd.state_class is Dev
    assert is_state(Dev())


def test_repr_and_equality() -> None:
    assert repr(Inner(x=1, y=2)) == "Inner(x=1, y=2)"
    assert Inner(x=1) != Inner(x=2)
    assert Inner(x=1) != Two(value=1)
    assert Dev(one=One()) != Dev()
    with pytest.raises(TypeError):
        hash(Inner())


def test_a_copy_is_a_state_too() -> None:
    data = DEV_WIRE[:1].replace(b"\1", b"\2") + DEV_WIRE[1:]
    state = Dev.vmsd.decode(data)
    again = copy.deepcopy(state)
    assert again == state
    assert Dev.vmsd.encode(again) == data
    again.inner.x += 1
    assert again != state


def test_states_are_walked_in_the_order_of_the_wire() -> None:
    assert [name for name, _ in items_of(Dev())] == [
        *("flag", "reg", "inner", "table", "bits", "rows", "queue", "late", "one", "two")
    ]


def test_defaults_encode() -> None:
    @description("everything")
    class Everything:
        n: int = uint8()
        data: bytes = buffer(3)
        line: str = text(4)
        name: str = counted_string()
        pieces: list[bytes] = chunks()
        values: list[int] = varray(uint16, count=this.n)
        pointers: list[Any] = array_of_pointer(uint8, 2, marked=True)
        chosen: int = one_of(fact("width", default=2), {2: uint16, 1: uint8})
        tree: list[Any] = gtree(Two)

    state = Everything()
    assert Everything.vmsd.decode(Everything.vmsd.encode(state)) == state


def test_the_description_is_plain_data() -> None:
    assert repr(Dev.vmsd) == "<VMStateDescription 'dev' version 2>"
    with pytest.raises(AttributeError):
        Dev.vmsd.version_id = 3  # type: ignore[misc]
    assert [field.name for field in Dev.vmsd.fields][:3] == ["flag", "unused", "s.reg[0]"]
    assert [part.name for part in Dev.vmsd.walk()] == ["dev", "inner", "inner", "inner", "dev/one", "dev/two"]


def test_an_attribute_need_not_be_annotated() -> None:
    @description("bare")
    class Bare:
        x = uint8()

    assert Bare.vmsd.decode(b"\5") == Bare(x=5)


def test_a_word_can_be_shared_by_classes() -> None:
    word = uint8()

    @description("first")
    class First:
        x: int = word

    @description("second")
    class Second:
        x: int = word

    assert First(x=1) != Second(x=1)


# ---------------------------------------------------------------------------------------------------------------------
# Misuse: one sentence, when the class is declared.


def reads_a_later_field() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(exists=this.b == 1)
        b: int = uint8()


def reads_itself() -> None:
    @description("dev")
    class Bad:
        a: list[int] = varray(uint8, count=this.a)


def reads_in_a_circle() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(exists=this.b == 1)
        b: int = uint8(exists=this.a == 1)


def reads_what_is_no_field() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(exists=this.nothing == 1)


def reads_what_is_not_in_the_state() -> None:
    @description("dev")
    class Bad:
        a: None = unused(4)
        b: int = uint8(exists=this.a == 1)


def reads_the_struct_itself() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(exists=this == 1)


def reads_what_comes_later_around_it() -> None:
    @description("part")
    class Part:
        x: int = uint8(exists=up.n == 1)

    @description("dev")
    class Bad:
        part: Part = struct(Part)
        n: int = uint8()


def derives_a_fact_from_a_later_field() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(exists=fact("there", derived=this.b == 1))
        b: int = uint8()


def names_an_attribute_twice() -> None:
    @description("dev")
    class Bad:
        a: int = uint8()
        b: int = uint8()
        a: int = uint16()  # type: ignore[no-redef]


def names_a_subsection_as_a_field() -> None:
    VMStateDescription("dev", [Field("a", t.UINT8)], subsections=[Subsection(Two.vmsd, "a")], state_class=Two)


def names_a_subsection_after_another() -> None:
    @description("device")
    class Bad:
        two: Two | None = subsection(Two)


def names_a_subsection_as_its_parent() -> None:
    @description("dev/two")
    class Bad:
        two: Two | None = subsection(Two)


def names_a_subsection_too_long() -> None:
    @description("dev/" + 252 * "x")
    class Long:
        a: int = uint8()

    @description("dev")
    class Bad:
        long: Long | None = subsection(Long)


def needs_what_is_no_field() -> None:
    @description("dev")
    class Bad:
        two: Two | None = subsection(Two, needed=this.nothing)


def has_no_name() -> None:
    @description("")
    class Bad:
        a: int = uint8()


def has_a_name_of_no_text() -> None:
    @description("\ud800")
    class Bad:
        a: int = uint8()


def has_a_version_below_its_minimum() -> None:
    @description("dev", version_id=1, minimum_version_id=2)
    class Bad:
        a: int = uint8()


def has_a_struct_of_no_version() -> None:
    @description("dev")
    class Bad:
        a: Inner = vstruct(Inner, 3)


def has_a_list_of_no_version() -> None:
    @description("dev")
    class Bad:
        a: list[Inner] = qlist(Inner)


def has_a_tree_of_no_version() -> None:
    @description("dev")
    class Bad:
        a: list[Any] = gtree(Two, key=Inner, version=1)


def has_a_key_that_is_not_first() -> None:
    @description("dev")
    class Bad:
        a: list[Inner] = keyed_list(Inner, key=uint16)


def has_a_key_that_may_be_absent() -> None:
    @description("keyed")
    class Keyed:
        key: int = uint32(exists=fact("there"))

    @description("dev")
    class Bad:
        a: list[Keyed] = keyed_list(Keyed)


def has_a_field_after_a_subsection() -> None:
    @description("dev")
    class Bad:
        two: Two | None = subsection(Two)
        a: int = uint8()


def has_fewer_elements_than_none() -> None:
    @description("dev")
    class Bad:
        a: list[int] = array(uint8, -1)


def has_a_buffer_of_less_than_nothing() -> None:
    @description("dev")
    class Bad:
        a: bytes = buffer(-1)


def has_rows_of_nothing() -> None:
    @description("dev")
    class Bad:
        a: list[list[int]] = array(uint8, 2, 0)


def has_rows_that_do_not_hold_it() -> None:
    VMStateDescription("dev", [Field("a", t.UINT8, count=5, dims=(2, 2))])


def has_an_array_of_what_is_not_on_the_wire() -> None:
    @description("dev")
    class Bad:
        a: list[Any] = array(host(), 2)


def has_pointers_that_are_no_array() -> None:
    VMStateDescription("dev", [Field("a", t.UINT8, pointers=Pointers.ALL_MARKED)])


def has_pointers_without_the_fact() -> None:
    VMStateDescription("dev", [Field("a", t.UINT8, count=2, pointers=Pointers.NULL_MARKER)])


def has_nothing_to_choose_from() -> None:
    @description("dev")
    class Bad:
        a: int = one_of(fact("width"), {})


def has_a_choice_without_a_value() -> None:
    @description("dev")
    class Bad:
        a: Any = one_of(fact("there"), {True: uint8, False: unused(1)})


def has_an_element_that_is_none() -> None:
    @description("dev")
    class Bad:
        a: Any = array(5, 2)


def has_a_struct_without_a_description() -> None:
    @description("dev")
    class Bad:
        a: Any = struct(int)


def has_a_fact_without_candidates() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(exists=fact("there", ()))


def takes_a_condition_for_a_truth() -> None:
    @description("dev")
    class Bad:
        a: int = uint8()
        b: int = uint8(exists=this.a == 1 and this.a == 2)  # type: ignore[comparison-overlap]


def names_an_attribute_as_the_description() -> None:
    @description("dev")
    class Bad:
        vmsd: int = uint8()


def has_a_field_from_a_version_below_none() -> None:
    @description("dev")
    class Bad:
        a: int = uint8(version=-1)


def counts_by_a_name() -> None:
    @description("dev")
    class Bad:
        n: int = uint8()
        a: list[int] = varray(uint8, count="n")  # type: ignore[arg-type]


def nests_too_deep() -> None:
    vmsd = VMStateDescription("part")
    for _ in range(MAX_DEPTH):
        vmsd = VMStateDescription("part", [Field("part", t.Struct("struct", vmsd))])


MISUSE: dict[Callable[[], None], str] = {
    reads_a_later_field: "'a' depends on 'b', which comes later",
    reads_itself: "'a' depends on itself",
    reads_in_a_circle: "'a' depends on 'b', which comes later",
    reads_what_is_no_field: "'a' depends on 'nothing', which is no field here",
    reads_what_is_not_in_the_state: "'b' depends on 'a'",
    reads_the_struct_itself: "'a' depends on `this` itself, not on a field of it",
    reads_what_comes_later_around_it: "'part' depends on 'n' of the struct around it, which comes later",
    derives_a_fact_from_a_later_field: "'a' depends on 'b', which comes later",
    names_an_attribute_twice: "two attributes have the name 'a'",
    names_a_subsection_as_a_field: "two attributes have the name 'a'",
    names_a_subsection_after_another: "the name of subsection 'dev/two' does not begin with its parent's",
    names_a_subsection_as_its_parent: "the name of subsection 'dev/two' does not begin with its parent's",
    names_a_subsection_too_long: "is longer than 255 bytes",
    needs_what_is_no_field: "'two' depends on 'nothing', which is no field here",
    has_no_name: "a description needs a name",
    has_a_name_of_no_text: "the name is no text that UTF-8 can say",
    has_a_version_below_its_minimum: "version_id 1 is below minimum_version_id 2",
    has_a_struct_of_no_version: "'a' reads 'inner' at version 3, which has only 1 to 2",
    has_a_list_of_no_version: "'a' reads 'inner' at version 0, which has only 1 to 2",
    has_a_tree_of_no_version: "'a' reads 'dev/two' at version 1, which has only 0 to 0",
    has_a_key_that_is_not_first: "the first field of 'inner' must be its key",
    has_a_key_that_may_be_absent: "the first field of 'keyed' must be its key",
    has_a_field_after_a_subsection: "field 'a' comes after a subsection",
    has_fewer_elements_than_none: "'a' has -1 elements",
    has_a_buffer_of_less_than_nothing: "'a' has a size of -1",
    has_rows_of_nothing: "'a' has 0 elements, which its rows (2, 0) do not hold",
    has_rows_that_do_not_hold_it: "'a' has 5 elements, which its rows (2, 2) do not hold",
    has_an_array_of_what_is_not_on_the_wire: "'a' has nothing on the wire, and so is no array",
    has_pointers_that_are_no_array: "'a' is no array, and so has neither rows nor pointers",
    has_pointers_without_the_fact: "'a' needs the fact that says whether there are NULLs",
    has_nothing_to_choose_from: "nothing to choose from",
    has_a_choice_without_a_value: "'a' can be of a type that has no value on the wire",
    has_an_element_that_is_none: "5 is no element",
    has_a_struct_without_a_description: "<class 'int'> is neither a description nor a class with one",
    has_a_fact_without_candidates: "the fact 'there' has no candidates",
    takes_a_condition_for_a_truth: "is a condition, not a truth value",
    names_an_attribute_as_the_description: "the attribute 'vmsd' is the description itself",
    has_a_field_from_a_version_below_none: "'a' is from version -1 on",
    counts_by_a_name: "'a' has 'n' elements, which is neither a number nor an expression",
    nests_too_deep: f"structs nest deeper than {MAX_DEPTH}",
}


@pytest.mark.parametrize("misuse", MISUSE, ids=lambda misuse: misuse.__name__)
def test_misuse_is_refused_when_it_is_declared(misuse: Callable[[], None]) -> None:
    with pytest.raises(DescriptionError) as raised:
        misuse()
    text = str(raised.value)
    assert MISUSE[misuse] in text
    assert "\n" not in text


def test_as_deep_as_may_be() -> None:
    vmsd = VMStateDescription("part", [Field("x", t.UINT8)])
    for _ in range(MAX_DEPTH - 1):
        vmsd = VMStateDescription("part", [Field("part", t.Struct("struct", vmsd))])
    assert vmsd.encode(vmsd.decode(b"\5")) == b"\5"
    assert vmsd.as_construct().parse(b"\5")
    assert list(vmsd.trace(b"\5"))[-1].endswith(".x")


# ---------------------------------------------------------------------------------------------------------------------
# Residue: what QEMU accepts, and would write otherwise.

DEV_BODY = bytes.fromhex("01 0000 00000005 01 0002 01 0002 01 0002 01 00 01 01020304 01 01 0002 01 01 0002 00 09")
ONE_WIRE = b"\5\7dev/one" + bytes.fromhex("00000003 01")
TWO_WIRE = b"\5\7dev/two" + bytes.fromhex("00000000 07")
DEV_WIRE = DEV_BODY + ONE_WIRE + TWO_WIRE
FLAG, PAD, BITS, MARKERS = 0, 1, 16, (23, 27)


def set_flag(dev: Dev) -> None:
    dev.flag = True


def set_bits(dev: Dev) -> None:
    dev.bits = [True, False, True]


def set_queue(dev: Dev) -> None:
    dev.queue = list(dev.queue)


def set_flag_of_one(dev: Dev) -> None:
    assert dev.one is not None
    dev.one.flag = True


def set_one(dev: Dev) -> None:
    dev.one = One(flag=True)


def set_two(dev: Dev) -> None:
    dev.two = Two(value=7)


def with_byte(offset: int, byte: int) -> bytes:
    return DEV_WIRE[:offset] + bytes((byte,)) + DEV_WIRE[offset + 1 :]


ONE_AT = len(DEV_BODY)
EARLIER_TWO = TWO_WIRE[:-1] + b"\x63"

# What is odd, and how its attribute is set to the same value again.
RESIDUE: dict[str, tuple[bytes, Callable[[Dev], None] | None]] = {
    "bool 2": (with_byte(FLAG, 2), set_flag),
    "unused": (with_byte(PAD, 0xAA), None),
    "bool of an array": (with_byte(BITS, 0xFF), set_bits),
    "marker": (with_byte(MARKERS[1], 7), set_queue),
    "bool of a subsection": (with_byte(ONE_AT + 13, 0x80), set_flag_of_one),
    "order, first set": (DEV_BODY + TWO_WIRE + ONE_WIRE, set_one),
    "order, second set": (DEV_BODY + TWO_WIRE + ONE_WIRE, set_two),
    "twice": (DEV_BODY + EARLIER_TWO + ONE_WIRE + TWO_WIRE, set_two),
    "twice, one after the other": (DEV_BODY + ONE_WIRE + EARLIER_TWO + TWO_WIRE, set_two),
    "version 0x103": (with_byte(ONE_AT + 11, 1), set_one),
    "name with a NUL": (
        DEV_BODY + b"\5\x0bdev/one\0abc" + ONE_WIRE[9:] + TWO_WIRE,
        set_one,
    ),
}


def test_the_plain_state() -> None:
    inner = Inner(x=1, y=2)
    assert Dev.vmsd.decode(DEV_WIRE) == Dev(
        flag=True,
        reg=5,
        inner=inner,
        table=[inner, inner],
        bits=[True, False, True],
        rows=[[1, 2], [3, 4]],
        queue=[inner, inner],
        late=9,
        one=One(flag=True),
        two=Two(value=7),
    )
    assert meta_of(Dev.vmsd.decode(DEV_WIRE)) is None
    assert [DEV_WIRE[offset] for offset in (FLAG, BITS, *MARKERS)] == [1, 1, 1, 1]


@pytest.mark.parametrize("odd", RESIDUE)
def test_residue_is_written_back(odd: str) -> None:
    data, _ = RESIDUE[odd]
    state = Dev.vmsd.decode(data)
    assert data != DEV_WIRE
    assert Dev.vmsd.encode(state) == data


@pytest.mark.parametrize("odd", RESIDUE)
def test_residue_is_outside_equality(odd: str) -> None:
    assert Dev.vmsd.decode(RESIDUE[odd][0]) == Dev.vmsd.decode(DEV_WIRE)


@pytest.mark.parametrize("odd", RESIDUE)
def test_residue_is_dropped_when_the_attribute_is_set(odd: str) -> None:
    data, setter = RESIDUE[odd]
    if setter is not None:
        state = Dev.vmsd.decode(data)
        setter(state)
        assert Dev.vmsd.encode(state) == DEV_WIRE


def test_residue_stays_when_another_attribute_is_set() -> None:
    state = Dev.vmsd.decode(with_byte(FLAG, 2))
    state.reg = 6
    assert Dev.vmsd.encode(state)[:7] == bytes.fromhex("02 0000 00000006")


def test_residue_is_dropped_when_the_value_is_another() -> None:
    state = Dev.vmsd.decode(with_byte(BITS, 0xFF))
    state.bits[1] = True
    assert Dev.vmsd.encode(state)[BITS : BITS + 3] == b"\1\1\1"


def test_residue_can_be_asked_for() -> None:
    state = Dev.vmsd.decode(b"\2\0\xaa" + DEV_WIRE[3:])
    assert residue_of(state) == {"flag": b"\2", "pad": b"\0\xaa"}
    assert isinstance(Dev.vmsd.decode(with_byte(MARKERS[0], 9)).queue, OddList)


def test_residue_of_an_element_of_a_table() -> None:
    @description("row")
    class Row:
        on: bool = boolean()

    @description("rows")
    class Rows:
        rows: list[Row] = array(Row, 3)

    state = Rows.vmsd.decode(b"\1\2\3")
    assert Rows.vmsd.encode(state) == b"\1\2\3"
    assert state.rows[1].on is True
    assert Rows.vmsd.encode(state) == b"\1\2\3"
    state.rows[1].on = True
    assert Rows.vmsd.encode(state) == b"\1\1\3"


def test_residue_of_names_that_repeat() -> None:
    vmsd = VMStateDescription(
        "again",
        [
            Field("unused", t.Unused("unused_buffer", 1)),
            Field("b", t.BOOL),
            Field("unused", t.Unused("unused_buffer", 2)),
            Field("b", t.BOOL, count=2),
        ],
    )
    data = b"\1\2\0\3\4\0"
    state = vmsd.decode(data)
    assert state == {"b": [True, True, False]}
    assert set(residue_of(state)) == {"unused[0]", "b[0]", "unused[1]", "b[1]"}
    assert vmsd.encode(state) == data
    state["b"] = [True, True, False]
    assert vmsd.encode(state) == b"\1\1\0\3\1\0"


def test_a_subsection_keeps_the_version_it_was_read_at() -> None:
    data = DEV_BODY + ONE_WIRE[:-2] + b"\2\1" + TWO_WIRE
    state = Dev.vmsd.decode(data)
    assert state == Dev.vmsd.decode(DEV_WIRE)
    assert Dev.vmsd.encode(state) == data
    state.one = One(flag=True)
    assert Dev.vmsd.encode(state) == DEV_WIRE


def test_a_subsection_that_is_taken_away() -> None:
    state = Dev.vmsd.decode(DEV_BODY + TWO_WIRE + ONE_WIRE)
    state.two = None
    assert Dev.vmsd.encode(state) == DEV_BODY + ONE_WIRE


# ---------------------------------------------------------------------------------------------------------------------
# Values that cannot be written, and where they stand.


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("flag", 2),
        ("flag", None),
        ("reg", 1 << 32),
        ("reg", 1.0),
        ("inner", None),
        ("inner", 5),
        ("inner.y", -1),
        ("table[1].x", 256),
        ("bits[2]", "yes"),
        ("rows[1][0]", 256),
        ("queue[0].x", None),
        ("one.flag", None),
    ],
)
def test_a_value_that_does_not_fit(path: str, value: Any) -> None:
    state = Dev.vmsd.decode(DEV_WIRE)
    holder, step = state, path
    if "." in path or "[" in path:
        steps, _ = resolve(state, path)
        step = steps[-1]
        holder = resolve(state, path[: path.rindex("." if isinstance(step, str) else "[")])[1]
    if isinstance(holder, list):
        holder[step] = value  # type: ignore[call-overload]
    else:
        setattr(holder, step, value)
    with pytest.raises(EncodeError) as raised:
        Dev.vmsd.encode(state)
    assert raised.value.path == path


def test_a_count_that_is_not_the_number_of_elements() -> None:
    @description("counted")
    class Counted:
        n: int = uint8()
        values: list[int] = varray(uint8, count=this.n)

    with pytest.raises(EncodeError) as raised:
        Counted.vmsd.encode(Counted(n=3, values=[1, 2]))
    assert raised.value.path == "values"


def test_a_condition_that_is_not_known() -> None:
    @description("asks")
    class Asks:
        x: int | None = uint8(exists=up.n == 1)

    with pytest.raises(VMStateError, match="not known"):
        Asks.vmsd.decode(b"\1")


def test_words_of_skipped_bytes() -> None:
    @description("skips")
    class Skips:
        n: int = uint8()
        gap: None = unused_varray(2, count=this.n)
        part: list[int] = sub_array(uint8_equal, 4, 2)
        ok: None = validate(this.n < 3, name="n_ok")

    state = Skips.vmsd.decode(bytes.fromhex("02 00000100 0708"))
    assert state == Skips(n=2, part=[7, 8])
    assert residue_of(state) == {"gap": bytes.fromhex("00000100")}
    assert list(Skips.vmsd.trace(bytes.fromhex("00 0708"))) == ["n", "gap", "part", "ok"]


def test_a_state_of_no_class_by_its_wire_names() -> None:
    vmsd = VMStateDescription("plain", [Field("env.cr[0]", t.UINT8), Field("x", t.UINT8)])
    state = vmsd.decode(b"\1\2")
    assert state == State({"env.cr[0]": 1, "x": 2})
    assert resolve(state, '"env.cr[0]"')[1] == 1
    assert vmsd.encode({"env.cr[0]": 1, "x": 2}) == b"\1\2"


class Mode(enum.IntEnum):
    OFF = 0
    ON = 1


class Bits(enum.IntFlag):
    LOW = 1
    HIGH = 2


def test_values_under_their_names() -> None:
    @description("named")
    class Named:
        mode: int = uint8(value=Mode)
        bits: Bits = uint8(value=Bits)
        rows: list[list[int]] = array(uint8, 2, 2, value=Mode)
        there: list[int | None] = array_of_pointer(uint8, 2, marked=True, value=Mode)

    data = bytes.fromhex("01 07 00010002 30 3101")
    state = Named.vmsd.decode(data)
    assert state.mode is Mode.ON
    assert Bits.HIGH in state.bits
    assert state.rows == [[Mode.OFF, Mode.ON], [Mode.OFF, 2]]
    assert state.there == [None, Mode.ON]
    assert Named.vmsd.encode(state) == data


def test_padding_needs_no_annotation() -> None:
    body = {"__module__": __name__, "a": uint8(), "padding": unused(3)}
    vmsd = description("padded")(StateClass("Padded", (VMState,), body)).vmsd
    assert vmsd.decode(b"\1\0\0\0") == vmsd.state_class(a=1)


@pytest.mark.parametrize("odd", [True, 1, "count", len])
def test_what_must_be_an_expression_is_one(odd: Any) -> None:
    """Said when the class is made, not when a state of it is written."""

    @description("x/y")
    class _Sub(VMState):
        on: int = uint8()

    words: list[Callable[[], Any]] = [
        lambda: uint8(exists=odd),
        lambda: validate(odd, name="checked"),
        lambda: one_of(odd, {1: uint8(), 2: uint16()}),
        lambda: subsection(_Sub, needed=odd),
    ]
    for word in words:
        with pytest.raises(DescriptionError, match="which is no expression"):

            @description("x")
            class _X(VMState):
                count: int = uint8()
                odd = word()

    with pytest.raises(DescriptionError, match="which is no expression"):

        @description("x", needed=odd)
        class _Y(VMState):
            count: int = uint8()

    if odd != 1:
        with pytest.raises(DescriptionError, match="has a size of"):

            @description("x")
            class _Z(VMState):
                data: bytes = buffer(odd)

    if odd is True or odd != 1:
        with pytest.raises(DescriptionError, match="neither a number nor an expression"):

            @description("x")
            class _A(VMState):
                data: list[int] = array(uint8(), odd)


def test_a_variant_with_an_array_of_pointers() -> None:
    @description("array-of-pointers-test", version_id=2, minimum_version_id=1)
    class State(VMState):
        pointers: list[int | None] = array_of_pointer(uint8, 2)

    older = variant(State, None, 1, pointers=array_of_pointer(uint8, 3))
    assert older.decode(b"\1\2\3").pointers == [1, 2, 3]
    assert State.vmsd.decode(b"\1\2").pointers == [1, 2]
