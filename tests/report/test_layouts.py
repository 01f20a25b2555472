"""Each field of a page has what describes it: a declaration with the source of its facts, a vmdesc, nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from recorded import FIXTURES

import vmstate
from vmstate.declare import VMState, description, struct, uint8, uint16
from vmstate.devices import BOARDS, INDEX
from vmstate.report.facts import StreamFacts, facts_of
from vmstate.report.layouts import Layouts, of_class, told_of_facts
from vmstate.report.tree import Row, rows_of

NET = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"


@pytest.fixture(scope="module")
def facts() -> Iterator[StreamFacts]:
    with vmstate.load(NET) as stream:
        yield facts_of(stream, "net")


def told(rows: list[Row], above: int) -> Iterator[tuple[str, int]]:
    """Each path with the number of its layout, as a page tells it: that of the nearest row that has one."""
    for row in rows:
        layout = above if row.layout is None else row.layout
        yield row.path, layout
        yield from told(row.children, layout)


@pytest.mark.parametrize(
    ("path", "declaration", "file"),
    [
        ("virtio.net.vlans", "devices.virtio.net.VirtIONetDevice", "hw/net/virtio-net.c"),
        ("virtio.status", "devices.virtio.core.VirtIODevice", "hw/virtio/virtio.c"),
        ("virtio.vq[1].num", "devices.virtio.core.VirtQueue", "hw/virtio/virtio.c"),
        ("virtio.transport.msix_table[2].data", "MSIXEntry", "hw/pci/msix.c"),
    ],
)
def test_a_field_is_told_by_the_class_that_declares_it(
    path: str, declaration: str, file: str, facts: StreamFacts
) -> None:
    device = next(device for device in facts.devices if device.name.endswith("/virtio-net"))
    layout = facts.layouts[dict(told(device.rows, device.layout))[path]]
    assert declaration in layout.text and file in layout.text.partition(", facts from ")[2]


def test_what_a_vmdesc_describes_is_told_by_its_place_there(facts: StreamFacts) -> None:
    with vmstate.load(NET) as stream:
        devices = json.loads(stream.vmdesc_text or b"")["devices"]
        described = {(s.name, s.instance_id): s.described_by for s in stream.sections}
    count = 0
    for number, device in enumerate(devices):
        if described[device["name"], device["instance_id"]] != "vmdesc":
            continue
        count += 1
        name = device["name"] + (f"#{device['instance_id']}" if device["instance_id"] else "")
        shown = next(shown for shown in facts.devices if shown.name == name)
        assert facts.layouts[shown.layout].text.startswith(f"the stream's vmdesc, devices[{number}]")
    assert count > 20
    fw_cfg = next(shown for shown in facts.devices if shown.name == "fw_cfg")
    assert facts.layouts[fw_cfg.layout].text.endswith("fw_cfg.FwCfg, facts from QEMU's hw/nvram/fw_cfg.c")


def test_what_nothing_describes_says_so() -> None:
    body = b"\4\0\0\0\1\3dev" + bytes(8) + b"\5" + b"\x7e\0\0\0\1"
    with vmstate.load(b"QEVM\0\0\0\3" + body + b"\0") as stream:
        made = facts_of(stream, "handmade")
    assert [made.layouts[device.layout].text for device in made.devices] == ["nothing describes these bytes"]


def test_nearly_every_declaration_tells_the_source_of_its_facts() -> None:
    places = {place for table in (INDEX, BOARDS) for held in table.values() for place in held}
    silent = [place for place in places if not told_of_facts(*place.split(":"))]
    # QEMU's filter for tests is described by what it sends.
    assert silent == ["vmstate.devices.net.netpass:FilterNetpass"]


@description("bulb", version_id=1)
class Bulb(VMState):
    """A bulb."""

    watts: int = uint16()


@description("chain", version_id=1)
class Chain(VMState):
    """Bulbs."""

    first: Bulb = struct(Bulb)
    count: int = uint8()


def test_a_declaration_without_a_source_is_named_alone() -> None:
    state = Chain(first=Bulb(watts=3), count=1)
    data = Chain.vmsd.encode(state)
    with vmstate.load(NET) as stream:
        layouts = Layouts(stream)
    trace = Chain.vmsd.trace(data)
    rows = rows_of(state, trace, lambda at, size: data[at : at + size])
    layouts.mark(rows, state, of_class(Chain))
    assert [row.layout for row in rows] == [0, None]
    assert [layout.text for layout in layouts.numbers] == [f"the declaration {Bulb.__module__}.Bulb"]
