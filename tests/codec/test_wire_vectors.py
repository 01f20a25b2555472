"""The cases of QEMU's tests/unit/test-vmstate.c: which fields, which values, which bytes; and in which order hooks run.

QEMU's harness writes an end-of-file byte (00) behind the state, so that reading on is no error: where a case has it,
what `load_state` returns must stop before it.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import vmstate  # noqa: F401  (binds the codec)
from vmstate.codec import load_state, save_state
from vmstate.errors import DecodeError, EncodeError, TruncatedError, VMStateError
from vmstate.vmsd.declare import (
    array,
    array_of_pointer,
    boolean,
    buffer,
    description,
    gtree,
    host,
    int8,
    int16,
    int32,
    int32_equal,
    int32_positive_le,
    int64,
    qlist,
    qtailq,
    struct,
    subsection,
    uint8,
    uint16,
    uint32,
    uint32_equal,
    uint64,
    unused,
    validate,
    varray,
    vbuffer,
    with_tmp,
)
from vmstate.vmsd.description import Field, Subsection, VMStateDescription
from vmstate.vmsd.expr import not_, this, up
from vmstate.vmsd.state import State, residue_of, set_facts, version_of
from vmstate.vmsd.types import UINT8, UINT16

EOF = b"\0"


def wire(text: str) -> bytes:
    return bytes.fromhex(text)


# ---------------------------------------------------------------------------------------------------------------------
# The descriptions.


@description("simple/primitive", version_id=1, minimum_version_id=1)
class Primitive:
    b_1: bool = boolean()
    b_2: bool = boolean()
    u8_1: int = uint8()
    u16_1: int = uint16()
    u32_1: int = uint32()
    u64_1: int = uint64()
    i8_1: int = int8()
    i8_2: int = int8()
    i16_1: int = int16()
    i16_2: int = int16()
    i32_1: int = int32()
    i32_2: int = int32()
    i64_1: int = int64()
    i64_2: int = int64()


@description("simple/array", version_id=1, minimum_version_id=1)
class SimpleArray:
    u16_1: list[int] = array(uint16, 3)


@description("test/versioned", version_id=2, minimum_version_id=1)
class Versioned:
    a: int = uint32()
    b: int | None = uint32(version=2)
    c: int = uint32()
    d: int = uint64()
    e: int | None = uint32(version=2)
    f: int | None = uint64(version=2)


@description("test/skip", version_id=2, minimum_version_id=1)
class Skipping:
    skip_c_e: bool = host(False)
    a: int = uint32()
    b: int = uint32()
    c: int | None = uint32(exists=not_(this.skip_c_e))
    d: int = uint64()
    e: int | None = uint32(exists=not_(this.skip_c_e))
    f: int | None = uint64(version=2)


@description("test/tst", version_id=1, minimum_version_id=1)
class Trivial:
    i: int = int32()


@description("test/arps", version_id=1, minimum_version_id=1)
class PointersToStructs:
    ar: list[Trivial | None] = array_of_pointer(Trivial, 4)


@description("test/arps", version_id=1, minimum_version_id=1)
class PointersToInts:
    ar: list[int | None] = array_of_pointer(int32, 4)


@description("test/queue-element", version_id=1, minimum_version_id=1)
class QueueElement:
    b: bool = boolean()
    u8: int = uint8()


@description("test/queue", version_id=1, minimum_version_id=1)
class Queue:
    i16: int = int16()
    q: list[QueueElement] = qtailq(QueueElement, version=1)
    i32: int = int32()


@description("interval", version_id=1, minimum_version_id=1)
class Interval:
    low: int = uint64()
    high: int = uint64()


@description("mapping", version_id=1, minimum_version_id=1)
class Mapping:
    phys_addr: int = uint64()
    flags: int = uint32()


def new_mappings(domain: Domain) -> int:
    domain.mappings = []
    return 0


def new_domains(iommu: IOMMU) -> int:
    iommu.domains = []
    return 0


@description("domain", version_id=1, minimum_version_id=1, pre_load=new_mappings)
class Domain:
    id: int = int32()
    mappings: list[tuple[Interval, Mapping]] = gtree(Mapping, key=Interval, version=1)


@description("iommu", version_id=1, minimum_version_id=1, pre_load=new_domains)
class IOMMU:
    id: int = int32()
    domains: list[tuple[int, Domain]] = gtree(Domain, version=1)


@description("test/queue list", version_id=1, minimum_version_id=1)
class QListElement:
    id: int = uint32()


@description("test/container/qlist", version_id=1, minimum_version_id=1)
class Container:
    id: int = uint32()
    list: list[QListElement] = qlist(QListElement, version=1)


@description("test/tmp_child_parent")
class TmpChildParent:
    f: int = uint64()


def difference(tmp: TmpChild) -> int:
    tmp.diff = tmp.parent.b - tmp.parent.a
    return 0


def apply_difference(tmp: TmpChild, version_id: int) -> int:
    tmp.parent.b = tmp.parent.a + tmp.diff
    return 0


@description("test/tmp_child", pre_save=difference, post_load=apply_difference)
class TmpChild:
    diff: int = int64()
    parent: Any = struct(TmpChildParent)


@description("test/with_tmp", version_id=1)
class HasTmp:
    a: int = uint32()
    d: int = uint64()
    tmp: TmpChild = with_tmp(TmpChild)


@attrs.define
class TestStruct:
    """The device behind several descriptions of QEMU's test: a plain object, whose class knows no description."""

    __test__ = False

    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0
    f: int = 0
    skip_c_e: bool = False


PRIMITIVE = Primitive(
    b_1=True,
    b_2=False,
    u8_1=130,
    u16_1=512,
    u32_1=70000,
    u64_1=12121212,
    i8_1=65,
    i8_2=-65,
    i16_1=512,
    i16_2=-512,
    i32_1=70000,
    i32_2=-70000,
    i64_1=12121212,
    i64_2=-12121212,
)
FIRST_DOMAIN = Domain(
    id=6,
    mappings=[
        (Interval(low=0x1000, high=0x1FFF), Mapping(phys_addr=0xA000, flags=1)),
        (Interval(low=0x4000, high=0x4FFF), Mapping(phys_addr=0xE0000, flags=2)),
    ],
)
SECOND_DOMAIN = Domain(
    id=5, mappings=[(Interval(low=0x1000000, high=0x1FFFFFF), Mapping(phys_addr=0xF000000, flags=3))]
)

PRIMITIVE_WIRE = wire(
    "01 00 82 0200 00011170 0000000000b8f47c 41 bf 0200 fe00 00011170 fffeee90 0000000000b8f47c ffffffffff470b84"
)
MAPPINGS_WIRE = (
    "00000002 01 0000000000001000 0000000000001fff 000000000000a000 00000001"
    " 01 0000000000004000 0000000000004fff 00000000000e0000 00000002 00"
)
IOMMU_WIRE = (
    "00000007 00000002"
    " 01 0000000000000005 00000005 00000001 01 0000000001000000 0000000001ffffff 000000000f000000 00000003 00"
    " 01 0000000000000006 00000006 " + MAPPINGS_WIRE + " 00"
)
WITHOUT_NULLS = wire("00000000 00000001 00000002 00000003")
WITH_NULL = wire("00000000 30 00000002 00000003")
TMP_WIRE = wire("00000002 0000000000000001 0000000000000002 0000000000000008")

# (test path, state, bytes): what a source with that state writes, and a destination reads into that state.
VECTORS = [
    ("simple/primitive", PRIMITIVE, PRIMITIVE_WIRE),
    ("simple/array", SimpleArray(u16_1=[0x42, 0x43, 0x44]), wire("0042 0043 0044")),
    (
        "versioned/load/v2",
        Versioned(a=10, b=20, c=30, d=40, e=50, f=60),
        wire("0000000a 00000014 0000001e 0000000000000028 00000032 000000000000003c"),
    ),
    (
        "field_exists/noskip",
        Skipping(a=1, b=2, c=3, d=4, e=5, f=6),
        wire("00000001 00000002 00000003 0000000000000004 00000005 0000000000000006"),
    ),
    (
        "qtailq",
        Queue(i16=-512, q=[QueueElement(b=True, u8=130), QueueElement(b=False, u8=65)], i32=70000),
        wire("fe00 01 01 82 01 00 41 00 00011170"),
    ),
    ("gtree/domain", FIRST_DOMAIN, wire("00000006" + MAPPINGS_WIRE)),
    ("gtree/iommu", IOMMU(id=7, domains=[(5, SECOND_DOMAIN), (6, FIRST_DOMAIN)]), wire(IOMMU_WIRE)),
    (
        "qlist",
        Container(id=1, list=[QListElement(id=number) for number in (0x0A, 0x0B00, 0xC0000, 0xD000000)]),
        wire("00000001 01 0000000a 01 00000b00 01 000c0000 01 0d000000 00"),
    ),
]
LENGTHS = {
    "simple/primitive": 48,
    "simple/array": 7,
    "versioned/load/v2": 33,
    "qtailq": 14,
    "gtree/domain": 68,
    "gtree/iommu": 133,
    "qlist": 26,
}
each_vector = pytest.mark.parametrize(("path", "state", "data"), VECTORS, ids=[path for path, _, _ in VECTORS])


# ---------------------------------------------------------------------------------------------------------------------
# Both directions.


@each_vector
def test_length(path: str, state: Any, data: bytes) -> None:
    assert len(data + EOF) == LENGTHS.get(path, len(data + EOF))


@each_vector
def test_save(path: str, state: Any, data: bytes) -> None:
    assert save_state(state.vmsd, state) == data


@each_vector
def test_load(path: str, state: Any, data: bytes) -> None:
    loaded = type(state)()
    assert load_state(state.vmsd, data + EOF, loaded) == len(data)
    assert loaded == state


@each_vector
def test_encode(path: str, state: Any, data: bytes) -> None:
    assert state.vmsd.encode(state) == data


@each_vector
def test_decode(path: str, state: Any, data: bytes) -> None:
    assert state.vmsd.decode(data) == state


@each_vector
def test_construct(path: str, state: Any, data: bytes) -> None:
    declared = state.vmsd.as_construct()
    assert declared.build(declared.parse(data)) == data


# QEMU's harness for save and load: the state must not load from too little.
NEGATIVE = [
    (Primitive, PRIMITIVE_WIRE + EOF),
    (SimpleArray, wire("0042 0043 0044") + EOF),
    (HasTmp, TMP_WIRE + EOF),
]


def too_little(data: bytes) -> list[bytes]:
    half = len(data) // 2
    return [b"", data[:-2], data[:half], data[half : half * 2]]


@pytest.mark.parametrize(("cls", "part"), [(cls, part) for cls, data in NEGATIVE for part in too_little(data)])
def test_too_little(cls: Any, part: bytes) -> None:
    opaque = TestStruct() if cls is HasTmp else cls()
    with pytest.raises(TruncatedError):
        load_state(cls.vmsd, part, opaque)
    with pytest.raises(TruncatedError):
        cls.vmsd.decode(part)


def test_truncated_says_where() -> None:
    with pytest.raises(TruncatedError) as raised:
        load_state(Primitive.vmsd, PRIMITIVE_WIRE[:4], Primitive())
    assert (raised.value.path, raised.value.offset, raised.value.needed) == ("u16_1", 3, 5)


# ---------------------------------------------------------------------------------------------------------------------
# Fields that are not always there.


def test_load_an_older_version_leaves_what_it_lacks() -> None:
    data = wire("0000000a 0000001e 0000000000000028")
    device = TestStruct(b=200, e=500, f=600)
    assert load_state(Versioned.vmsd, data + EOF, device, 1) == 16
    assert device == TestStruct(a=10, b=200, c=30, d=40, e=500, f=600)
    state = Versioned.vmsd.decode(data, version_id=1)
    assert state == Versioned(a=10, b=None, c=30, d=40, e=None, f=None)
    assert version_of(state) == 1
    assert Versioned.vmsd.encode(state) == data


@pytest.mark.parametrize("version_id", [0, 3])
def test_versions_it_does_not_have(version_id: int) -> None:
    device = TestStruct(a=1)
    with pytest.raises(DecodeError, match=r"too (old|new)"):
        load_state(Versioned.vmsd, bytes(64), device, version_id)
    with pytest.raises(DecodeError, match=r"too (old|new)"):
        Versioned.vmsd.decode(bytes(64), version_id=version_id)
    assert device == TestStruct(a=1)


def test_load_without_skipping() -> None:
    data = wire("0000000a 00000014 0000001e 0000000000000028 00000032 000000000000003c")
    device = TestStruct()
    assert load_state(Skipping.vmsd, data + EOF, device) == 32
    assert device == TestStruct(a=10, b=20, c=30, d=40, e=50, f=60)


def test_load_skipping_keeps_what_is_there() -> None:
    data = wire("0000000a 00000014 0000000000000028 000000000000003c")
    device = TestStruct(skip_c_e=True, c=300, e=500)
    assert load_state(Skipping.vmsd, data + EOF, device) == 24
    assert device == TestStruct(a=10, b=20, c=300, d=40, e=500, f=60, skip_c_e=True)


@pytest.mark.parametrize(
    ("skip", "data"),
    [
        (False, "00000001 00000002 00000003 0000000000000004 00000005 0000000000000006"),
        (True, "00000001 00000002 0000000000000004 0000000000000006"),
    ],
)
def test_save_with_and_without_skipping(skip: bool, data: str) -> None:
    device = TestStruct(a=1, b=2, c=3, d=4, e=5, f=6, skip_c_e=skip)
    assert save_state(Skipping.vmsd, device) == wire(data)
    state = Skipping(a=1, b=2, c=3, d=4, e=5, f=6, skip_c_e=skip)
    assert Skipping.vmsd.encode(state) == wire(data)


# ---------------------------------------------------------------------------------------------------------------------
# Arrays of pointers.


def trivials(*numbers: int | None) -> list[Trivial | None]:
    return [None if number is None else Trivial(i=number) for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "data"), [((0, 1, 2, 3), WITHOUT_NULLS), ((0, None, 2, 3), WITH_NULL)], ids=["no0", "0"]
)
def test_pointers_to_structs(numbers: tuple[int | None, ...], data: bytes) -> None:
    source = PointersToStructs(ar=trivials(*numbers))
    assert save_state(PointersToStructs.vmsd, source) == data
    assert PointersToStructs.vmsd.encode(source) == data
    destination_structs = trivials(*(None if number is None else 77 for number in numbers))
    destination = PointersToStructs(ar=list(destination_structs))
    assert load_state(PointersToStructs.vmsd, data + EOF, destination) == len(data)
    assert destination == source
    # Loaded into what the pointers point to: the objects are still the same.
    assert all(first is before for first, before in zip(destination.ar, destination_structs, strict=True))
    assert PointersToStructs.vmsd.decode(data) == source


def test_pointers_to_ints() -> None:
    source = PointersToInts(ar=[0, None, 2, 3])
    assert save_state(PointersToInts.vmsd, source) == WITH_NULL
    destination = PointersToInts(ar=[3, None, 1, 0])
    assert load_state(PointersToInts.vmsd, WITH_NULL + EOF, destination) == 13
    assert destination == source
    assert PointersToInts.vmsd.decode(WITH_NULL) == source
    for nulls in ((1,), "marked"):
        assert PointersToInts.vmsd.decode(WITH_NULL, facts={"nulls of test/arps/ar": nulls}) == source
    with pytest.raises(TruncatedError):
        PointersToInts.vmsd.decode(WITH_NULL, facts={"nulls of test/arps/ar": "never"})


def test_a_null_that_only_the_source_has() -> None:
    with pytest.raises(VMStateError):
        load_state(PointersToInts.vmsd, WITH_NULL, PointersToInts(ar=[1, 2, 3, 4]))


def test_a_null_that_only_the_destination_has() -> None:
    with pytest.raises(DecodeError, match="marker of a NULL"):
        load_state(PointersToInts.vmsd, WITHOUT_NULLS, PointersToInts(ar=[1, None, 3, 4]))


@description("test/arps", version_id=1, minimum_version_id=1)
class MarkedPointers:
    n: int = host(4)
    ar: list[Trivial | None] = array_of_pointer(Trivial, this.n, marked=True)


MARKED_WIRE = wire("31 00000000 30 31 00000002 31 00000003")


def test_marked_pointers() -> None:
    source = MarkedPointers(ar=trivials(0, None, 2, 3))
    assert save_state(MarkedPointers.vmsd, source) == MARKED_WIRE
    assert MarkedPointers.vmsd.encode(source) == MARKED_WIRE
    destination = MarkedPointers(ar=[None] * 4)
    assert load_state(MarkedPointers.vmsd, MARKED_WIRE + EOF, destination) == 16
    assert destination == source == MarkedPointers.vmsd.decode(MARKED_WIRE)


def test_a_marker_that_is_none() -> None:
    for read in (MarkedPointers.vmsd.decode, lambda data: load_state(MarkedPointers.vmsd, data, MarkedPointers())):
        with pytest.raises(DecodeError) as raised:
            read(wire("32 00000000"))
        assert (raised.value.offset, raised.value.found) == (0, "0x32")


# ---------------------------------------------------------------------------------------------------------------------
# Lists and trees that hold something already.


def test_a_qtailq_grows_behind_what_is_there_and_a_qlist_before_it() -> None:
    queue = Queue(q=[QueueElement(u8=9)])
    load_state(Queue.vmsd, wire("0000 01 00 01 01 00 02 00 00000000"), queue)
    assert [element.u8 for element in queue.q] == [9, 1, 2]
    container = Container(list=[QListElement(id=9)])
    load_state(Container.vmsd, wire("00000001 01 00000001 01 00000002 00"), container)
    assert [element.id for element in container.list] == [1, 2, 9]


def test_a_tree_that_says_another_number_of_nodes() -> None:
    for count in (1, 3):
        data = wire(f"00000006{count:08x}" + MAPPINGS_WIRE[8:])
        with pytest.raises(DecodeError):
            load_state(Domain.vmsd, data, Domain())
        with pytest.raises(DecodeError):
            Domain.vmsd.decode(data)


# ---------------------------------------------------------------------------------------------------------------------
# WITH_TMP.


def test_with_tmp() -> None:
    source = TestStruct(a=2, b=4, d=1, f=8)
    assert save_state(HasTmp.vmsd, source) == TMP_WIRE
    destination = TestStruct()
    assert load_state(HasTmp.vmsd, TMP_WIRE + EOF, destination) == 28
    assert destination == TestStruct(a=2, b=4, d=1, f=8)


def test_with_tmp_decodes_as_a_struct() -> None:
    state = HasTmp.vmsd.decode(TMP_WIRE)
    assert state == HasTmp(a=2, d=1, tmp=TmpChild(diff=2, parent=TmpChildParent(f=8)))
    assert HasTmp.vmsd.encode(state) == TMP_WIRE


# ---------------------------------------------------------------------------------------------------------------------
# Subsections.


@description("inner")
class Inner:
    x: int = uint8()
    y: int = int16()


@description("dev/extra", version_id=3, minimum_version_id=3)
class Extra:
    value: int = uint16()


@description("dev", version_id=1, minimum_version_id=1)
class Dev:
    send_extra: bool = host(True)
    reg: int = uint32()
    inner: Inner = struct(Inner)
    extra: Extra | None = subsection(Extra, needed=this.send_extra)


DEV_BODY = "11223344 07 fffe"
DEV_WIRE = wire(DEV_BODY + "05 09 6465762f6578747261 00000003 beef")
DEV = Dev(reg=0x11223344, inner=Inner(x=7, y=-2), extra=Extra(value=0xBEEF))


def changed(data: bytes, offset: int, byte: int) -> bytes:
    return data[:offset] + bytes((byte,)) + data[offset + 1 :]


def test_subsection() -> None:
    assert save_state(Dev.vmsd, DEV) == DEV_WIRE == Dev.vmsd.encode(DEV)
    device = Dev()
    assert load_state(Dev.vmsd, DEV_WIRE + EOF, device) == len(DEV_WIRE)
    assert device == DEV == Dev.vmsd.decode(DEV_WIRE)


def test_subsection_that_is_not_needed() -> None:
    source = Dev(send_extra=False, reg=0x11223344, inner=Inner(x=7, y=-2), extra=Extra(value=0xBEEF))
    assert save_state(Dev.vmsd, source) == wire(DEV_BODY)
    destination = Dev(extra=Extra(value=5))
    assert load_state(Dev.vmsd, wire(DEV_BODY) + EOF, destination) == 7
    assert destination.extra == Extra(value=5)
    assert Dev.vmsd.decode(wire(DEV_BODY)).extra is None


def test_subsection_without_needed_is_sent_where_there_is_a_state() -> None:
    @description("plain", version_id=1)
    class Plain:
        x: int = uint8()
        sub: Any = subsection(VMStateDescription("plain/sub", [Field("value", UINT16)], version_id=1))

    assert save_state(Plain.vmsd, Plain(x=1)) == wire("01")
    state = Plain(x=1, sub=State(value=2))
    assert save_state(Plain.vmsd, state) == wire("01 05 09 706c61696e2f737562 00000001 0002")
    loaded = Plain()
    load_state(Plain.vmsd, save_state(Plain.vmsd, state), loaded)
    assert loaded == state


def test_subsection_that_says_itself_when_it_is_needed() -> None:
    @description("self/sub", needed=(this.value != 0) & (up.x != 0))
    class Sub:
        value: int = uint8()

    @description("self")
    class Outer:
        x: int = uint8()
        sub: Sub | None = subsection(Sub)

    assert len(save_state(Outer.vmsd, Outer(x=1, sub=Sub(value=1)))) == 1 + 6 + len("self/sub") + 1
    assert save_state(Outer.vmsd, Outer(x=0, sub=Sub(value=1))) == wire("00")
    assert save_state(Outer.vmsd, Outer(x=1, sub=Sub(value=0))) == wire("01")


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (changed(DEV_WIRE, 17, ord("X")), 7),
        (changed(DEV_WIRE, 21, 2), 18),
        (changed(DEV_WIRE, 21, 4), 18),
    ],
    ids=["unknown name", "too old", "too new"],
)
def test_subsection_that_does_not_load(data: bytes, offset: int) -> None:
    for read in (Dev.vmsd.decode, lambda data: load_state(Dev.vmsd, data, Dev())):
        with pytest.raises(DecodeError) as raised:
            read(data)
        assert raised.value.offset == offset


def test_subsection_of_somebody_else_ends_the_state() -> None:
    data = wire(DEV_BODY + "05 05 6f74686572")
    assert load_state(Dev.vmsd, data, Dev()) == 7


def test_version_of_a_subsection_is_held_in_eight_bits() -> None:
    data = changed(DEV_WIRE, 20, 1)
    device = Dev()
    assert load_state(Dev.vmsd, data, device) == len(data)
    assert device == DEV
    state = Dev.vmsd.decode(data)
    assert state == DEV
    assert Dev.vmsd.encode(state) == data


# ---------------------------------------------------------------------------------------------------------------------
# What is compared, skipped and counted.


@description("misc", version_id=1, minimum_version_id=1)
class Misc:
    magic: int = uint32_equal()
    pad: bytes = unused(3)
    minus: int = int32_equal()
    len: int = uint32()
    len_ok: None = validate(this.len <= 4, name="len_ok")
    values: list[int] = varray(uint16, count=this.len)
    size: int = uint32()
    blob: bytes = vbuffer(this.size)
    name: bytes = buffer(3)
    level: int = int32_positive_le()


MISC_WIRE = wire("0000cafe 000000 ffffffff 00000002 0102 0304 00000003 090807 616263 00000005")
MISC = Misc(magic=0xCAFE, minus=-1, len=2, values=[0x102, 0x304], size=3, blob=b"\x09\x08\x07", name=b"abc", level=5)


def misc_device(**changes: Any) -> Misc:
    return Misc(**{"magic": 0xCAFE, "minus": -1, "level": 9, **changes})


def test_misc() -> None:
    assert save_state(Misc.vmsd, MISC) == MISC_WIRE == Misc.vmsd.encode(MISC)
    device = misc_device()
    assert load_state(Misc.vmsd, MISC_WIRE + EOF, device) == len(MISC_WIRE)
    assert device == MISC == Misc.vmsd.decode(MISC_WIRE)


def test_padding_is_ignored() -> None:
    data = changed(MISC_WIRE, 5, 0xFF)
    device = misc_device()
    assert load_state(Misc.vmsd, data, device) == len(data)
    assert device == MISC
    assert residue_of(Misc.vmsd.decode(data)) == {"pad": wire("00 ff 00")}


@pytest.mark.parametrize(
    ("device", "data", "path", "offset"),
    [
        (misc_device(magic=1), MISC_WIRE, "magic", 0),
        (misc_device(minus=0), MISC_WIRE, "minus", 7),
        (misc_device(level=4), MISC_WIRE, "level", len(MISC_WIRE) - 4),
        (misc_device(), changed(MISC_WIRE, len(MISC_WIRE) - 4, 0xFF), "level", len(MISC_WIRE) - 4),
        (misc_device(), changed(MISC_WIRE, 14, 5), "len_ok", 15),
    ],
    ids=["uint32 equal", "int32 equal", "int32 le", "int32 le, negative", "validate"],
)
def test_what_the_destination_refuses(device: Misc, data: bytes, path: str, offset: int) -> None:
    with pytest.raises(DecodeError) as raised:
        load_state(Misc.vmsd, data, device)
    assert (raised.value.path, raised.value.offset) == (path, offset)


def test_a_source_does_not_save_what_is_not_valid() -> None:
    state = Misc(magic=1, len=5, values=[1, 2, 3, 4, 5])
    with pytest.raises(EncodeError):
        save_state(Misc.vmsd, state)
    with pytest.raises(EncodeError):
        Misc.vmsd.encode(state)


# ---------------------------------------------------------------------------------------------------------------------
# Hooks.


def hooks(name: str, calls: list[str], result: dict[str, Any] | None = None) -> dict[str, Any]:
    """All four hooks, noting that they were called."""

    def make(kind: str) -> Any:
        def hook(opaque: Any, *version_id: int) -> Any:
            calls.append(" ".join((f"{name}.{kind}", *map(str, version_id))))
            outcome = (result or {}).get(kind)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return hook

    return {kind: make(kind) for kind in ("pre_load", "post_load", "pre_save", "post_save")}


def nested_description(calls: list[str], **results: dict[str, Any]) -> VMStateDescription:
    """A description with a struct that has a subsection, two subsections, and a list."""

    def vmsd(name: str, *fields: Field, subsections: tuple[Subsection, ...] = (), **options: Any) -> VMStateDescription:
        return VMStateDescription(
            name,
            fields,
            version_id=2,
            minimum_version_id=1,
            subsections=subsections,
            **hooks(name, calls, results.get(name.replace("/", "_"))),
            **options,
        )

    from vmstate.vmsd.types import QList, Struct

    byte = Field("byte", UINT8)
    inner = vmsd("inner", byte, subsections=(Subsection(vmsd("inner/s", byte), "s"),))
    element = vmsd("element", byte)
    return vmsd(
        "outer",
        byte,
        Field("inner", Struct("struct", inner)),
        Field("list", QList("qtailq", element, 1), version=1),
        subsections=(Subsection(vmsd("outer/a", byte), "a"), Subsection(vmsd("outer/b", byte), "b")),
    )


def nested_state() -> State:
    byte = State(byte=1)
    return State(byte=1, inner=State(byte=2, s=byte), list=[State(byte=3)], a=State(byte=4), b=State(byte=5))


def test_order_of_the_hooks_of_a_source() -> None:
    calls: list[str] = []
    vmsd = nested_description(calls)
    data = save_state(vmsd, nested_state())
    assert data == vmsd.encode(nested_state())
    assert calls == [
        "outer.pre_save",
        "inner.pre_save",
        "inner/s.pre_save",
        "inner/s.post_save",
        "inner.post_save",
        "element.pre_save",
        "element.post_save",
        "outer/a.pre_save",
        "outer/a.post_save",
        "outer/b.pre_save",
        "outer/b.post_save",
        "outer.post_save",
    ]


def test_order_of_the_hooks_of_a_destination() -> None:
    calls: list[str] = []
    vmsd = nested_description(calls)
    data = vmsd.encode(nested_state())
    device = State()
    assert load_state(vmsd, data, device) == len(data)
    assert device == nested_state()
    assert calls == [
        "outer.pre_load",
        "inner.pre_load",
        "inner/s.pre_load",
        "inner/s.post_load 2",
        "inner.post_load 2",
        "element.pre_load",
        "element.post_load 1",
        "outer/a.pre_load",
        "outer/a.post_load 2",
        "outer/b.pre_load",
        "outer/b.post_load 2",
        "outer.post_load 2",
    ]


def test_order_of_subsections_is_that_of_the_stream() -> None:
    calls: list[str] = []
    vmsd = nested_description(calls)
    whole = vmsd.encode(nested_state())
    a, b = (whole.index(header) for header in (b"\x05\x07outer/a", b"\x05\x07outer/b"))
    load_state(vmsd, whole[:a] + whole[b:] + whole[a:b], State())
    assert calls[-5:] == [
        "outer/b.pre_load",
        "outer/b.post_load 2",
        "outer/a.pre_load",
        "outer/a.post_load 2",
        "outer.post_load 2",
    ]


@pytest.mark.parametrize("outcome", [-22, 1, ValueError("no"), EncodeError("no")], ids=repr)
def test_a_hook_that_fails(outcome: Any) -> None:
    calls: list[str] = []
    data = nested_description(calls).encode(nested_state())

    vmsd = nested_description(calls, inner={"pre_load": outcome})
    device = State()
    with pytest.raises(VMStateError):
        load_state(vmsd, data, device)
    assert calls == ["outer.pre_load", "inner.pre_load"]
    assert device == State(byte=1)

    calls.clear()
    vmsd = nested_description(calls, inner={"post_load": outcome})
    with pytest.raises(VMStateError):
        load_state(vmsd, data, State())
    assert calls[-1] == "inner.post_load 2"

    # A pre_save that fails is not followed by its post_save, but the ones around it are.
    calls.clear()
    vmsd = nested_description(calls, inner_s={"pre_save": outcome})
    with pytest.raises(VMStateError):
        save_state(vmsd, nested_state())
    assert calls == ["outer.pre_save", "inner.pre_save", "inner/s.pre_save", "inner.post_save", "outer.post_save"]

    calls.clear()
    vmsd = nested_description(calls, outer_a={"post_save": outcome})
    with pytest.raises(VMStateError):
        save_state(vmsd, nested_state())
    assert calls[-3:] == ["outer/a.pre_save", "outer/a.post_save", "outer.post_save"]


@pytest.mark.parametrize("outcome", [None, 0, False, "done"])
def test_a_hook_that_does_not_fail(outcome: Any) -> None:
    calls: list[str] = []
    vmsd = nested_description(calls, outer=dict.fromkeys(hooks("", calls), outcome))
    data = save_state(vmsd, nested_state())
    assert load_state(vmsd, data, State()) == len(data)


def test_a_version_that_is_not_there_runs_no_hook() -> None:
    calls: list[str] = []
    with pytest.raises(DecodeError):
        load_state(nested_description(calls), bytes(64), State(), 3)
    assert calls == []


def test_hooks_see_and_change_the_device() -> None:
    def count(device: Any) -> None:
        device.n = len(device.values)

    def total(device: Any, version_id: int) -> None:
        device.sum = sum(device.values) + device.extra.value

    @description("hooked/extra")
    class HookedExtra:
        value: int = uint8()

    @description("hooked", pre_save=count, post_load=total)
    class Hooked:
        n: int = uint8()
        values: list[int] = varray(uint8, count=this.n)
        sum: int = host(0)
        extra: HookedExtra | None = subsection(HookedExtra)

    data = save_state(Hooked.vmsd, Hooked(values=[1, 2, 3], extra=HookedExtra(value=4)))
    device = Hooked()
    load_state(Hooked.vmsd, data, device)
    assert (device.n, device.values, device.sum) == (3, [1, 2, 3], 10)


def test_facts_of_the_host_are_told() -> None:
    from vmstate.vmsd.expr import fact

    @description("factual")
    class Factual:
        x: int | None = uint8(exists=fact("there"))

    with pytest.raises(VMStateError, match="'there' is not known"):
        load_state(Factual.vmsd, b"\1", Factual())
    assert load_state(Factual.vmsd, b"\1", Factual(), facts={"there": True}) == 1
    device = Factual()
    set_facts(device, there=False)
    assert load_state(Factual.vmsd, b"\1", device) == 0
