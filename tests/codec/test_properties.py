"""What must hold for every description, every state and every input.

VMSTATE_HYPOTHESIS_PROFILE chooses how long to search: "ci" (the default, about a minute) or "long".
"""

from __future__ import annotations

import copy
import io
import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from generate import Case, cases, for_construct, mutations, plain, without_residue
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vmstate.codec import load_state, save_state
from vmstate.codec.runtime import EMPTY_LIMIT
from vmstate.errors import DecodeError, DescriptionError, EncodeError, TruncatedError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, VMStateDescription, state_keys
from vmstate.vmsd.expr import fact, this
from vmstate.vmsd.path import resolve
from vmstate.vmsd.state import State, is_state, items_of, residue_of, set_facts, version_of

IS_LONG = os.environ.get("VMSTATE_HYPOTHESIS_PROFILE", "ci") == "long"
# The short search is the same every time; the long one goes on where nobody has been.
PROFILE = settings(
    max_examples=20_000 if IS_LONG else 400,
    derandomize=not IS_LONG,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

MEMORY = 1 << 20
"""What a decode may take beside 64 times its input, in bytes."""


# ---------------------------------------------------------------------------------------------------------------------
# There and back.


@pytest.mark.slow
@PROFILE
@given(cases())
def test_decoding_undoes_encoding(case: Case) -> None:
    state = case.decode(case.encode(case.state))
    assert state == case.state
    assert plain(state) == plain(case.state)


@pytest.mark.slow
@PROFILE
@given(cases(), mutations())
def test_encoding_undoes_decoding(case: Case, mutate: Callable[[bytes], bytes]) -> None:
    for data in (case.encode(case.state), mutate(case.encode(case.state))):
        try:
            state = case.decode(data)
        except VMStateError:
            continue
        assert case.encode(state) == data
        # Nor does looking at a state change it.
        assert plain(state) == plain(copy.deepcopy(state))
        assert case.encode(state) == data
        # The residue is all that the values do not say.
        assert case.decode(case.encode(without_residue(state))) == state


@pytest.mark.slow
@PROFILE
@given(cases(), st.lists(mutations(), min_size=1, max_size=4))
def test_spoiled_bytes_give_a_state_or_an_error(case: Case, spoil: list[Callable[[bytes], bytes]]) -> None:
    data = case.encode(case.state)
    for mutate in spoil:
        data = mutate(data)
    for read in (case.decode, case.trace, case.vmsd.decode):
        try:
            read(data)
        except VMStateError as error:
            assert str(error).isprintable()


@pytest.mark.slow
@PROFILE
@given(cases(), st.data())
def test_a_spoiled_state_is_written_or_refused(case: Case, data: Any) -> None:
    state = copy.deepcopy(case.state)
    struct = data.draw(st.sampled_from(structs(state)))
    names = [name for name, _ in items_of(struct)]
    assume(names)
    value = data.draw(st.sampled_from(ODD_VALUES))
    name = data.draw(st.sampled_from(names))
    if isinstance(struct, dict):
        struct[name] = value
    else:
        setattr(struct, name, value)
    try:
        case.encode(state)
    except EncodeError as error:
        assert str(error).isprintable()


ODD_VALUES = (
    *(None, -1, 1 << 70, 1.5, "", "\ud800", "text", b"", b"bytes", bytearray(3), memoryview(b"view")),
    *([], [None], [1, "2"], [[1], [2]], [(1, 2)], (1,), {}, {1: 2}, {1, 2}, object(), State(), True, range(3)),
)


def structs(value: Any) -> list[Any]:
    """Every struct in a state."""
    if is_state(value):
        return [value, *(inner for _, part in items_of(value) for inner in structs(part))]
    return [inner for part in value for inner in structs(part)] if isinstance(value, (list, tuple)) else []


# ---------------------------------------------------------------------------------------------------------------------
# A second implementation.


@pytest.mark.slow
@PROFILE
@given(cases(), mutations())
def test_construct_agrees(case: Case, mutate: Callable[[bytes], bytes]) -> None:
    """Accepts the same, reads the same values, builds the same bytes.

    Built is what QEMU would write of the values: residue is the codec's alone.
    """
    import construct

    declared = case.vmsd.as_construct(version_id=case.version_id, facts=case.facts)
    whole = case.encode(case.state)
    assert declared.build(for_construct(case.state)) == whole
    for data in (whole, mutate(whole)):
        stream = io.BytesIO(data)
        try:
            theirs = declared.parse_stream(stream)
        except construct.ConstructError:
            theirs = None
        if theirs is None or stream.tell() != len(data):
            with pytest.raises(DecodeError):
                case.decode(data)
            continue
        ours = case.decode(data)
        assert plain(theirs) == plain(ours)
        assert declared.build(theirs) == case.encode(without_residue(ours))


def test_construct_refuses_a_fact_that_is_not_given() -> None:
    vmsd = VMStateDescription("x", [Field("a", t.UINT8), Field("b", t.UINT8, exists=fact("there"))])
    with pytest.raises(DescriptionError, match="'b' depends on the fact 'there'"):
        vmsd.as_construct()
    assert vmsd.as_construct(facts={"there": True}).parse(b"\1\2").b == 2


def test_construct_refuses_pointers_without_the_fact() -> None:
    nulls = t.nulls_fact("p")
    from vmstate.vmsd.description import Pointers

    vmsd = VMStateDescription("x", [Field("p", t.UINT8, count=2, pointers=Pointers.NULL_MARKER, nulls=nulls)])
    with pytest.raises(DescriptionError, match="'p' depends on the fact 'nulls of p'"):
        vmsd.as_construct()
    assert vmsd.as_construct(facts={"nulls of p": (1,)}).parse(b"\x01\x30").p == [1, None]


# ---------------------------------------------------------------------------------------------------------------------
# A device that is loaded and saved.


@pytest.mark.slow
@PROFILE
@given(cases())
def test_a_device_loads_what_decodes(case: Case) -> None:
    assume(all(can_be_a_device(part) for part in case.vmsd.walk()))
    # The elements of a list are new: they have nothing to compare with, and no pointers.
    fields = [field for part in case.vmsd.walk() for field in part.fields]
    has_lists = any(isinstance(field.type, (t.QList, t.GTree, t.KeyedList)) for field in fields)
    assume(not (has_lists and any(field.nulls is not None or getattr(field.type, "rule", None) for field in fields)))
    device = destination(case.vmsd, case.state)
    data = case.encode(case.state)
    assert load_state(case.vmsd, data, device, case.version_id, facts=case.facts) == len(data)
    assert holds(plain(device), plain(with_keys_once(case.state)))
    if case.version_id == case.vmsd.version_id and all(version_of(struct) is None for struct in structs(case.state)):
        assert holds(plain(device), plain(case.decode(save_state(case.vmsd, device, facts=case.facts))))


def can_be_a_device(vmsd: VMStateDescription) -> bool:
    members = sum(field.in_state for field in vmsd.fields) + len(vmsd.subsections)
    return members == len(state_keys(vmsd)) and all(loads_what_it_saves(field.type) for field in vmsd.fields)


def loads_what_it_saves(kind: t.WireType) -> bool:
    """Not an int32 le that is negative, nor a list: QEMU writes its elements at their own version, not the field's."""
    if isinstance(kind, t.Choice):
        return not kind.children()
    if isinstance(kind, t.Scalar):
        return kind.rule != "le"
    if isinstance(kind, (t.QList, t.GTree)):
        return all(child.version_id == kind.version for child in kind.children())
    return True


def holds(device: Any, loaded: Any) -> bool:
    """Whether a device holds what was loaded. What was not in the stream is its own."""
    if isinstance(loaded, dict):
        return all(holds(device[name], value) for name, value in loaded.items())
    if isinstance(loaded, list):
        return len(device) == len(loaded) and all(map(holds, device, loaded))
    return loaded is None or bool(device == loaded)


def destination(vmsd: VMStateDescription, state: Any) -> Any:
    """A device that is as the one that was saved, but that lists, to which loading adds, are empty."""
    values = dict(items_of(state))
    for field in vmsd.fields:
        rank = 0 if field.count is None else len(field.dims or (1,))
        if field.in_state:
            values[field.attribute] = emptied(field.type, values[field.attribute], rank)
    for sub in vmsd.subsections:
        values[sub.attribute] = emptied(t.Struct("struct", sub.vmsd), values[sub.attribute], 0)
    return State(values) if isinstance(state, State) else type(state)(**values)


def emptied(kind: t.WireType, value: Any, rank: int) -> Any:
    if rank and value is not None:
        return [emptied(kind, item, rank - 1) for item in value]
    if is_state(value) and isinstance(kind, t.Struct):
        return destination(kind.vmsd, value)
    return [] if isinstance(value, list) else value


def trees(value: Any) -> list[Any]:
    """The lists of nodes in the value of a field."""
    if not isinstance(value, list) or not value:
        return []
    return [value] if isinstance(value[0], tuple) else [tree for item in value for tree in trees(item)]


def with_keys_once(value: Any) -> Any:
    """A state in which a later node of a tree has replaced an earlier one of the same key."""
    value = without_residue(value)
    for struct in structs(value):
        for _, part in items_of(struct):
            for tree in trees(part):
                tree[:] = [
                    pair for place, pair in enumerate(tree) if all(pair[0] != key for key, _ in tree[place + 1 :])
                ]
    return value


# ---------------------------------------------------------------------------------------------------------------------
# Where things stand.


@pytest.mark.slow
@PROFILE
@given(cases())
def test_a_trace_covers_every_byte(case: Case) -> None:
    data = case.encode(case.state)
    entries = case.trace(data)
    behind = 0
    open_until: list[int] = []
    for path, entry in entries.items():
        if not entry.size:
            continue
        while open_until and open_until[-1] <= entry.offset:
            open_until.pop()
        assert entry.offset + entry.size <= (open_until[-1] if open_until else len(data)), path
        if not open_until:
            # What is not inside another begins where the last ended.
            assert entry.offset == behind, path
            behind = entry.offset + entry.size
        open_until.append(entry.offset + entry.size)
    assert behind == len(data)
    assert [entry.offset for entry in entries.values()] == sorted(entry.offset for entry in entries.values())


@pytest.mark.slow
@PROFILE
@given(cases())
def test_a_state_is_traced_as_its_bytes(case: Case) -> None:
    data = case.encode(case.state)
    if case.facts:
        set_facts(case.state, **case.facts)
    codec: Any = case.vmsd.codec
    trace = codec.trace_state(case.state, version_id=case.version_id)
    assert list(trace.items()) == list(case.trace(data).items())


@pytest.mark.slow
@PROFILE
@given(cases())
def test_paths_of_a_trace_lead_to_values(case: Case) -> None:
    for path, entry in case.trace(case.encode(case.state)).items():
        repeats = " #" in path or any(name in path for name in ("again", "pad"))
        if not repeats and (entry.field is None or entry.field.in_state):
            resolve(case.state, path)


@pytest.mark.slow
@PROFILE
@given(cases(), st.sampled_from((0, 1, 0x30, 0xFF)))
def test_a_state_read_piecewise(case: Case, follows: int) -> None:
    data = case.encode(case.state)
    codec: Any = case.vmsd.codec
    for length in range(len(data) + 1):
        with pytest.raises(TruncatedError) as raised:
            codec.decode_at(memoryview(data[:length]), 0, version_id=case.version_id, facts=case.facts, final=False)
        assert raised.value.needed > length
    more = memoryview(data + bytes((follows,)))
    state, end = codec.decode_at(more, 0, version_id=case.version_id, facts=case.facts, final=False)
    assert (state, end) == (case.state, len(data))


@pytest.mark.slow
@PROFILE
@given(cases())
def test_facts_are_found_or_asked_for(case: Case) -> None:
    """Without being told, the codec finds the facts, or says that the bytes fit two ways."""
    assume(not any(isinstance(told, tuple) for told in case.facts.values()))
    defaults = {
        node.name
        for part in case.vmsd.walk()
        for field in part.fields
        for expr in field.expressions()
        for node in expr.walk()
        if hasattr(node, "candidates") and repr(node.default) != "UNKNOWN"
    }
    told = {name: value for name, value in case.facts.items() if name in defaults}
    data = case.encode(case.state)
    try:
        state = case.vmsd.decode(data, version_id=case.version_id, facts=told)
    except DecodeError as error:
        assert "two ways" in error.message or "facts" in error.message
        return
    assert case.vmsd.encode(state, version_id=case.version_id) == data


# ---------------------------------------------------------------------------------------------------------------------
# Memory.


def peak_of(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
    except VMStateError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.slow
@PROFILE
@given(cases(), mutations())
def test_memory_is_bounded_by_the_input(case: Case, mutate: Callable[[bytes], bytes]) -> None:
    whole = case.encode(case.state)
    case.decode(whole)  # compiles

    def decode(data: bytes) -> Callable[[], object]:
        return lambda: case.decode(data)

    for data in (whole, mutate(whole)):
        assert peak_of(decode(data)) <= MEMORY + 64 * len(data)


EMPTY = VMStateDescription("empty")
MAYBE = VMStateDescription("maybe", [Field("x", t.UINT8, exists=fact("x", default=False))])
ROW = VMStateDescription("row", [Field("cells", t.Struct("struct", EMPTY), count=1000)])
ONE = VMStateDescription("one", [Field("a", t.UINT8), Field("b", t.UINT16)])

ABSURD = {
    "uint8": Field("v", t.UINT8, count=this.n),
    "bool": Field("v", t.BOOL, count=this.n),
    "uint64 host": Field("v", t.Scalar("uint64", "Q", 8, "host"), count=this.n),
    "struct": Field("v", t.Struct("struct", ONE), count=this.n),
    "empty struct": Field("v", t.Struct("struct", EMPTY), count=this.n),
    "struct that can be empty": Field("v", t.Struct("struct", MAYBE), count=this.n),
    "rows of empty structs": Field("v", t.Struct("struct", ROW), count=this.n),
    "buffers of no bytes": Field("v", t.Buffer("buffer", 0), count=this.n),
    "buffers": Field("v", t.Buffer("buffer", this.n), count=this.n),
    "bitmaps of no bits": Field("v", t.Bitmap("bitmap", 0), count=this.n),
    "strings": Field("v", t.CountedString("buffer"), count=this.n),
    "lists": Field("v", t.QList("qlist", ONE, 0), count=this.n),
    "buffer": Field("v", t.Buffer("buffer", this.n)),
    "buffer, times": Field("v", t.Buffer("buffer", this.n * 4096)),
    "text": Field("v", t.Text("buffer", this.n)),
    "bitmap": Field("v", t.Bitmap("bitmap", this.n)),
    "unused": Field("v", t.Unused("unused_buffer", this.n)),
    "unused array": Field("v", t.Unused("unused_buffer", this.n), count=this.n),
    "shifted": Field("v", t.Buffer("buffer", this.n << this.n)),
    "tree": Field("v", t.GTree("gtree", None, EMPTY, 0)),
}


@pytest.mark.parametrize("count", [1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 20, EMPTY_LIMIT + 1])
@pytest.mark.parametrize("field", ABSURD.values(), ids=list(ABSURD))
def test_absurd_counts(field: Field, count: int) -> None:
    vmsd = VMStateDescription("absurd", [Field("n", t.UINT32), field])
    data = count.to_bytes(4, "big") * 2

    def decode() -> None:
        with pytest.raises(DecodeError):
            vmsd.decode(data)

    with pytest.raises(DecodeError):
        vmsd.decode(b"\0\0\0\1")  # compiles
        vmsd.decode(data)
    assert peak_of(decode) <= MEMORY + 64 * len(data)


def test_as_many_empty_elements_as_may_be() -> None:
    vmsd = VMStateDescription("empties", [Field("n", t.UINT32), Field("v", t.Struct("struct", EMPTY), count=this.n)])
    assert len(vmsd.decode(EMPTY_LIMIT.to_bytes(4, "big"))["v"]) == EMPTY_LIMIT


# ---------------------------------------------------------------------------------------------------------------------
# Residue.


@pytest.mark.slow
@PROFILE
@given(cases(), mutations(), st.data())
def test_setting_an_attribute_drops_its_residue(case: Case, mutate: Callable[[bytes], bytes], data: Any) -> None:
    try:
        state = case.decode(mutate(case.encode(case.state)))
    except VMStateError:
        return
    for struct in structs(state):
        names = [name for name, _ in items_of(struct)]
        for name in names:
            value = struct[name] if isinstance(struct, dict) else getattr(struct, name)
            if isinstance(struct, dict):
                struct[name] = value
            else:
                setattr(struct, name, value)
            assert name not in residue_of(struct)
