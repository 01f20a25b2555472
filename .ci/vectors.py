"""Write fixtures/vectors from the library: `make vectors`. A test holds the files against the tree.

Bytes with their meaning, for whoever writes another implementation, or a unit test in QEMU: every word of the
vocabulary, early sections, records between two moments, and what is refused. docs/vectors.md says how they are read.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import vmstate
from vmstate import declare as d
from vmstate.devices.net.netpass import FilterNetpass, NetTap
from vmstate.early.policy import PerItem, RfcV2
from vmstate.early.provisional import provisional
from vmstate.early.snapshot import Snapshot
from vmstate.errors import VMStateError
from vmstate.files import write_atomic
from vmstate.schema.values import plain_value
from vmstate.vmsd.description import TraceEntry, VMStateDescription
from vmstate.vmsd.path import value_or_none

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "fixtures" / "vectors"
VERSION = 1
"""The version of the files' form; another one is read otherwise."""

BIG = ">"
ORDERS = {"<": "little"}
NEAR = 8
"""Zero bytes between two others that are written out rather than left out."""


# -------------------------------------------------------------------------------------------------------------------
# The vocabulary. Each description is a vector of the words that it is written with.


@d.description("vectors/scalars", version_id=1)
class Scalars(d.VMState):
    """Numbers, as QEMU writes them."""

    boolean: bool = d.boolean()
    int8: int = d.int8()
    int16: int = d.int16()
    int32: int = d.int32()
    int64: int = d.int64()
    uint8: int = d.uint8()
    uint16: int = d.uint16()
    uint32: int = d.uint32()
    uint64: int = d.uint64()
    timer: int = d.timer()
    cpudouble: int = d.cpudouble()
    fd: int = d.fd()
    uinttl: int = d.uinttl()


@d.description("vectors/compared", version_id=1)
class Compared(d.VMState):
    """Numbers that QEMU compares with what the device has."""

    uint8_equal: int = d.uint8_equal()
    uint16_equal: int = d.uint16_equal()
    uint32_equal: int = d.uint32_equal()
    uint64_equal: int = d.uint64_equal()
    int32_equal: int = d.int32_equal()
    int32_le: int = d.int32_le()
    int32_positive_le: int = d.int32_positive_le()
    checked: Any = d.validate(d.this.uint8_equal == 1, name="checked")


@d.description("vectors/orders", version_id=1)
class Orders(d.VMState):
    """Words in other orders: little-endian, of the host, of a virtio device, by halves."""

    uint16_little: int = d.uint16_little()
    uint32_little: int = d.uint32_little()
    uint64_little: int = d.uint64_little()
    uint64_words: int = d.uint64_words()
    uint16_host: int = d.uint16_host()
    uint32_host: int = d.uint32_host()
    uint64_host: int = d.uint64_host()
    uint16_device: int = d.uint16_device()
    uint32_device: int = d.uint32_device()
    uint64_device: int = d.uint64_device()


@d.description("vectors/bytes", version_id=1)
class Bytes(d.VMState):
    """Bytes, text and bits; padding is written as zeros, and read as anything."""

    count: int = d.uint32()
    buffer: bytes = d.buffer(3)
    vbuffer: bytes = d.vbuffer(d.this.count, multiply=2)
    text: str = d.text(4)
    unused: Any = d.unused(2)
    unused_varray: Any = d.unused_varray(1, count=d.this.count)
    counted_string: str = d.counted_string()
    chunks: list[bytes] = d.chunks()
    bitmap: int = d.bitmap(70)


@d.description("vectors/element", version_id=2, minimum_version_id=1)
class Element(d.VMState):
    """A struct inside others; `late` is of version 2."""

    id: int = d.uint16()
    late: int | None = d.uint8(version=2)


@d.description("vectors/arrays", version_id=1)
class Arrays(d.VMState):
    """Rows of one thing."""

    count: int = d.uint8()
    array: list[int] = d.array(d.uint16, 2)
    rows: list[list[int]] = d.array(d.uint8, 2, 2)
    sub_array: list[int] = d.sub_array(d.uint8, 1, 2)
    varray: list[int] = d.varray(d.uint16, count=d.this.count)
    structs: list[Element] = d.array(Element, 2)
    pointers: list[int | None] = d.array_of_pointer(d.int32, 3)
    marked: list[Element | None] = d.array_of_pointer(Element, 2, marked=True)


@d.description("vectors/structs/extra", version_id=3, minimum_version_id=2)
class Extra(d.VMState):
    """A subsection."""

    value: int = d.uint16()


@d.description("vectors/structs", version_id=1)
class Structs(d.VMState):
    """Structs, one behind a condition, one at an older version, and a subsection."""

    is_set: bool = d.boolean()
    struct: Element = d.struct(Element)
    vstruct: Element = d.vstruct(Element, 1)
    with_tmp: Element = d.with_tmp(Element)
    info: Element = d.info("vectors-info", Element)
    there: int | None = d.uint8(exists=d.this.is_set)
    not_there: int | None = d.uint8(exists=d.not_(d.this.is_set))
    extra: Extra | None = d.subsection(Extra)


@d.description("vectors/item", version_id=1)
class Item(d.VMState):
    """What begins with a key."""

    key: int = d.uint32()
    value: int = d.uint8()


@d.description("vectors/key", version_id=1)
class Key(d.VMState):
    """The key of a tree."""

    value: int = d.uint16()


@d.description("vectors/lists", version_id=1)
class Lists(d.VMState):
    """Lists and trees."""

    qtailq: list[Item] = d.qtailq(Item)
    qlist: list[Item] = d.qlist(Item)
    gtree: list[tuple[int, Item]] = d.gtree(Item)
    keyed: list[tuple[Key, Item]] = d.gtree(Item, key=Key)
    keyed_list: list[Item] = d.keyed_list(Item)
    which: int = d.uint8()
    one_of: int = d.one_of(d.this.which, {1: d.uint8, 2: d.uint16})


WORDS_OF = (Scalars, Compared, Orders, Bytes, Arrays, Structs, Lists, FilterNetpass, NetTap)


def vocabulary() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, state and facts of each vector of the vocabulary."""
    low = Scalars(
        boolean=True, int8=-2, int16=-300, int32=-70000, int64=-(1 << 40), uint8=250, uint16=65000, uint32=1 << 31,
        uint64=1 << 63, timer=-1, cpudouble=0x7FF8000000000001, fd=0x20, uinttl=1 << 33,
    )  # fmt: skip
    yield "scalars", low, {"target_long_size": 8}
    small = Scalars(uinttl=7)
    yield "scalars of a 32-bit target", small, {"target_long_size": 4}
    compared = Compared(
        uint8_equal=1, uint16_equal=2, uint32_equal=3, uint64_equal=4, int32_equal=-5, int32_le=6, int32_positive_le=7
    )
    yield "compared", compared, {}
    word = 0x0102030405060708
    orders = Orders(
        uint16_little=0x0102, uint32_little=0x01020304, uint64_little=word, uint64_words=word, uint16_host=0x0102,
        uint32_host=0x01020304, uint64_host=word, uint16_device=0x0102, uint32_device=0x01020304, uint64_device=word,
    )  # fmt: skip
    yield "orders of a little-endian host and device", orders, {"host_endian": "little", "device_endian": "little"}
    yield "orders of a big-endian host and device", orders, {"host_endian": "big", "device_endian": "big"}
    yield "bytes", Bytes(
        count=2, buffer=b"\1\2\3", vbuffer=b"\4\5\6\7", text="abcd", counted_string="name", chunks=[b"xy", b"z"],
        bitmap=1 << 69 | 1,
    ), {}  # fmt: skip
    one, two = Element(id=1, late=9), Element(id=2, late=8)
    arrays = Arrays(
        count=3, array=[1, 2], rows=[[1, 2], [3, 4]], sub_array=[5, 6], varray=[7, 8, 9], structs=[one, two],
        pointers=[1, None, -1], marked=[two, None],
    )  # fmt: skip
    yield "arrays", arrays, {}
    yield (
        "structs",
        Structs(is_set=True, struct=one, vstruct=two, with_tmp=one, info=two, there=5, extra=Extra(value=6)),
        {},
    )
    yield "structs without what may be lacking", Structs(is_set=False, not_there=1), {}
    items = [Item(key=1, value=2), Item(key=3, value=4)]
    trees = [(5, items[0])]
    yield "lists", Lists(
        qtailq=items, qlist=items[:1], gtree=trees, keyed=[(Key(value=1), items[1])], keyed_list=items, which=2,
        one_of=515,
    ), {}  # fmt: skip
    packet = (4).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"\xca\xfe\xba\xbe"
    yield "filter-netpass (from patches, not seen)", FilterNetpass(qlength=1, qcapacity=len(packet), buf=packet), {}
    yield "net-tap (from patches, not seen)", NetTap(fd=0x20, using_vnet_hdr=True, host_vnet_hdr_len=12), {}


# -------------------------------------------------------------------------------------------------------------------
# Vectors.


def runs(data: bytes) -> list[list[Any]]:
    """[offset, hexadecimal, stride, count] of what is not zero, so often and so many bytes apart; the rest is zeros."""
    single: list[tuple[int, str]] = []
    start, last = 0, -NEAR - 1
    for place, byte in enumerate(data):
        if not byte:
            continue
        if place - last > NEAR:
            if last >= 0:
                single.append((start, data[start : last + 1].hex()))
            start = place
        last = place
    if last >= 0:
        single.append((start, data[start : last + 1].hex()))
    merged: list[list[Any]] = []
    for place, text in single:
        if merged and merged[-1][1] == text:
            offset, _, stride, count = merged[-1]
            if count == 1 or place == offset + count * stride:
                merged[-1][2:] = [stride if count > 1 else place - offset, count + 1]
                continue
        merged.append([place, text, 0, 1])
    return merged


FIRST = 16
"""Elements of an array of structs that are told; all of them are in the bytes."""

_PLACE = re.compile(r"\[(\d+)\]")


def leaves(trace: Mapping[str, TraceEntry], data: bytes, state: Any) -> list[dict[str, Any]]:
    """What stands where: path, offset, size and value of everything that holds nothing else and is not all zero, up to
    `FIRST` elements of an array.
    """
    paths = [*trace]
    rows = []
    for number, path in enumerate(paths):
        offset, size, field = trace[path]
        behind = paths[number + 1] if number + 1 < len(paths) else ""
        holds_more = behind.startswith((f"{path}.", f"{path}["))
        if any(int(place) >= FIRST for place in _PLACE.findall(path)):
            continue
        if not size or holds_more or not any(data[offset : offset + size]):
            continue
        row = {"path": path, "offset": offset, "size": size, "value": shown(value_or_none(state, path))}
        order = getattr(field.type, "order", BIG) if field is not None else BIG
        rows.append(row if order == BIG else {**row, "order": ORDERS.get(order, order)})
    return rows


def shown(value: Any) -> Any:
    """A value as JSON has it; None where a path is of the wire alone."""
    try:
        return json.loads(json.dumps(value, default=plain_value))
    except TypeError:
        return None


def vector(
    name: str, vmsd: VMStateDescription, data: bytes, facts: Mapping[str, Any], version_id: int | None = None
) -> dict[str, Any]:
    """A vector of bytes that are read, or of bytes that are refused: the verdict is what decoding says."""
    told: dict[str, Any] = {"name": name, "description": vmsd.name}
    told["version_id"] = vmsd.version_id if version_id is None else version_id
    told |= {"facts": dict(facts), "size": len(data), "runs": runs(data)}
    try:
        state = vmsd.decode(data, version_id=version_id, facts=facts)
    except VMStateError as error:
        return told | {"verdict": "refused", "error": str(error), "at": error.path, "offset": error.offset}
    trace = vmsd.trace(data, version_id=version_id, facts=facts)
    return told | {"verdict": "accepted", "values": leaves(trace, data, state)}


def file_vocabulary() -> list[dict[str, Any]]:
    """Every word, and what is refused of each."""
    return [
        vector(name, type(state).vmsd, type(state).vmsd.encode(state, facts=facts, force=True), facts)
        for name, state, facts in vocabulary()
    ]


CARDS = {
    "one pair, receive filter": "qemu-7.2-q35-virtio-net-filters.mig.xz",
    "packed ring": "qemu-7.2-q35-virtio-net-packed.mig.xz",
    "legacy device": "qemu-7.2-pc-virtio-net-legacy.mig.xz",
    "virtio-mmio": "qemu-7.2-microvm-virtio-net-mmio.mig.xz",
    "four pairs, scaling, features above 63": "pairs/qemu-11.1-mq4-rss-on-final.mig.xz",
}
PAIRS = (
    "7.2-idle",
    "7.2-traffic",
    "7.2-vlan-add",
    "7.2-irq-affinity",
    "7.2-mq4-rss-on",
    "7.2-driver-reload",
    "11.1-mac-change",
)


def card_of(file: str) -> Any:
    """The state of the network card in a recorded stream."""
    with vmstate.load(ROOT / "fixtures" / file) as stream:
        return next(section.state for section in stream.sections if section.name.endswith("/virtio-net"))


def file_early() -> list[dict[str, Any]]:
    """What is sent early: the section behind its generation, and the provisional state for a stock QEMU."""
    vectors = []
    for name, file in CARDS.items():
        state = card_of(file)
        snapshot = Snapshot.take(state)
        source = {"of": file, "early_generation": snapshot.generation}
        early = vector(f"early section: {name}", snapshot.early_vmsd, snapshot.to_early_bytes(), snapshot.facts)
        vmsd = type(state).vmsd
        data = vmsd.encode(provisional(state), force=True)
        vectors += [early | source, vector(f"provisional state: {name}", vmsd, data, snapshot.facts) | {"of": file}]
    return vectors


def _moments(pair: str) -> tuple[Snapshot, Any]:
    early, final = (card_of(f"pairs/qemu-{pair}-{moment}.mig.xz") for moment in ("early", "final"))
    return Snapshot.take(early), final


def file_record() -> list[dict[str, Any]]:
    """Deltas and records: what has changed between two moments, how it is decided, and what is sent."""
    vectors = []
    for pair in PAIRS:
        snapshot, final = _moments(pair)
        delta = snapshot.compare(final)
        for policy in (PerItem(), RfcV2()):
            plan = policy.plan(delta)
            vmsd = policy.record_vmsd(snapshot).vmsd
            told = vector(f"record of {policy.name}: {pair}", vmsd, plan.record, snapshot.facts)
            vectors.append(
                told
                | {
                    "of": [f"pairs/qemu-{pair}-{moment}.mig.xz" for moment in ("early", "final")],
                    "early_generation": snapshot.generation,
                    "changed": list(delta.changed),
                    "mode": plan.mode,
                    "reasons": [reason.item for reason in plan.reasons],
                }
            )
    return vectors


def file_refused() -> list[dict[str, Any]]:
    """Bytes that are refused, each by one change of a vector that is accepted."""
    vectors = []

    def spoilt(name: str, vmsd: VMStateDescription, change: Callable[[bytes], bytes], data: bytes, **how: Any) -> None:
        vectors.append(vector(name, vmsd, change(data), how.pop("facts", {}), **how))

    states = {name: (state, facts) for name, state, facts in vocabulary()}
    for name, (state, facts) in states.items():
        vmsd = type(state).vmsd
        data = vmsd.encode(state, facts=facts, force=True)
        spoilt(f"cut in the middle: {name}", vmsd, lambda whole: whole[: len(whole) // 2], data, facts=facts)
        spoilt(f"bytes behind the end: {name}", vmsd, lambda whole: whole + b"\0\0", data, facts=facts)
    arrays, _ = states["arrays"]
    data = arrays.vmsd.encode(arrays)
    marker = data.index(b"1\0\2\x08")
    spoilt(
        "a marker of a pointer that is none",
        arrays.vmsd,
        lambda whole: whole[:marker] + b"2" + whole[marker + 1 :],
        data,
    )
    structs, _ = states["structs"]
    data = structs.vmsd.encode(structs)
    at = data.index(b"vectors/structs/extra")
    spoilt(
        "a subsection that nobody knows", structs.vmsd, lambda whole: whole[: at + 20] + b"X" + whole[at + 21 :], data
    )
    spoilt("a subsection too old", structs.vmsd, lambda whole: whole[: at + 24] + b"\1" + whole[at + 25 :], data)
    spoilt("a subsection too new", structs.vmsd, lambda whole: whole[: at + 24] + b"\x09" + whole[at + 25 :], data)
    spoilt(
        "a version too new", Element.vmsd, lambda whole: whole, Element.vmsd.encode(Element(id=1, late=1)), version_id=3
    )
    spoilt(
        "a version too old", Element.vmsd, lambda whole: whole, Element.vmsd.encode(Element(id=1, late=1)), version_id=0
    )
    for pair in ("7.2-vlan-add", "7.2-driver-reload"):
        snapshot, final = _moments(pair)
        plan = PerItem().plan(snapshot.compare(final))
        delta_vmsd = PerItem().record_vmsd(snapshot)
        record = plan.record
        for name, spoilt_record in (
            ("of another early generation", bytes([record[0] ^ 1]) + record[1:]),
            ("cut in the middle", record[: len(record) // 2]),
            ("that says another number of items", record[:9] + bytes([record[9] + 1]) + record[10:]),
        ):
            told = vector(f"a record {name}: {pair}", delta_vmsd.vmsd, spoilt_record, snapshot.facts)
            told.pop("values", None)
            try:
                delta_vmsd.decode(spoilt_record, snapshot.generation, snapshot.facts, snapshot.name)
            except VMStateError as error:
                told |= {"verdict": "refused", "error": str(error), "at": error.path, "offset": error.offset}
            vectors.append(told | {"early_generation": snapshot.generation})
    return vectors


FILES: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
    "vocabulary": ("every word that a description can be written with", file_vocabulary),
    "early": ("what is sent early: with its generation, and as a stock QEMU takes it", file_early),
    "record": ("what is sent at the stop of what has changed", file_record),
    "refused": ("what is refused, and where", file_refused),
}


def text_of(name: str) -> str:
    """A file: a line for each vector."""
    what, make = FILES[name]
    head = {"kind": "vectors", "version": VERSION, "name": name, "what": what}
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in make())
    return f'{json.dumps(head)[:-1]}, "vectors": [\n{lines}\n]}}\n'


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name in FILES:
        write_atomic(FOLDER / f"{name}.json", [text_of(name).encode()])
        print(f"{FOLDER.relative_to(ROOT)}/{name}.json", file=sys.stderr)


if __name__ == "__main__":
    main()
