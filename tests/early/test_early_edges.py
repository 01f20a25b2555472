"""Early migration at its edges: tables that are wrong, plans that lose something, states that QEMU would refuse."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from recorded import PROVENANCE, opened, plain

from vmstate import load
from vmstate.devices.virtio.net import VirtIONet
from vmstate.early.cost import PUBLISHED, Question, what_if
from vmstate.early.groups import PRESENT, derive
from vmstate.early.items import BackendName, Item, ItemClass, ItemTable, check_table, table_of
from vmstate.early.message import Kind
from vmstate.early.policy import MINIMAL, PerItem, RfcV2
from vmstate.early.snapshot import Snapshot
from vmstate.early.source import Source
from vmstate.early.streams import apply_record, record_streams
from vmstate.errors import DescriptionError, EarlyError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import array, description, uint8
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import this
from vmstate.vmsd.state import VMState

CARD = "qemu-7.2-q35-virtio-net.mig.xz"
FILES = {(known["pair"], known["moment"]): file for file, known in PROVENANCE.items() if "pair" in known}
PAIRS = sorted(pair for pair, moment in FILES if moment == "early")


def card() -> VirtIONet:
    state: VirtIONet = opened(CARD)["virtio-net"].state
    return state


def items() -> ItemTable:
    table = table_of(VirtIONet.vmsd)
    assert table is not None
    return table


def table_with(*more: Item) -> ItemTable:
    table = items()
    return ItemTable(table.name, (*table.items, *more), table.layout)


# Tables.


def test_a_table_that_gives_one_path_to_two_items_is_refused() -> None:
    path = items()["mac"].paths[0]
    with pytest.raises(DescriptionError, match=rf"'{path}' belongs to 'mac' and to 'again'"):
        check_table(table_with(Item("again", ItemClass.VALUE, (path,), "nowhere")))


def test_a_table_with_two_items_of_one_name_is_refused() -> None:
    with pytest.raises(DescriptionError, match="two items of one name"):
        check_table(table_with(Item("mac", ItemClass.VALUE, ("virtio.net.nothing",), "nowhere")))


# Plans.


def test_a_plan_is_exact_where_it_loses_nothing() -> None:
    """Real pairs: the rule of RFC v2 loses what an interrupt's affinity changed; item by item nothing is lost."""
    losses = set()
    for pair in PAIRS:
        early, final = (opened(FILES[pair, moment])["virtio-net"].state for moment in ("early", "final"))
        delta = Snapshot.take(early).compare(final)
        for policy in RfcV2(), PerItem():
            plan = policy.plan(delta)
            assert plan.is_exact is (plan.lost == ())
            losses.update(plan.lost)
    assert "msix" in losses


def test_a_state_that_qemu_would_refuse_goes_over_as_it_is() -> None:
    """The destination is to see what the source has; it is the destination that refuses."""
    state = card()
    state.virtio.queue_sel = 5000
    snapshot = Snapshot.take(state)
    again = copy.deepcopy(state)
    again.virtio.isr = 1
    plan = PerItem().plan(snapshot.compare(again))
    assert plan.mode == MINIMAL and plan.is_exact
    assert plan.result.virtio.queue_sel == 5000 and plan.result.virtio.isr == 1


def arrays(state: VirtIONet) -> tuple[Any, Any]:
    """What a queue is in the body, and the rest of its addresses in a subsection, which is bytes until looked at."""
    assert state.virtio.virtio.virtqueues is not None
    return state.virtio.vq, state.virtio.virtio.virtqueues.vq


@pytest.mark.parametrize("looked_at", [True, False])
def test_an_element_that_changed_is_found_whether_or_not_somebody_looked(looked_at: bool) -> None:
    state = card()
    snapshot = Snapshot.take(state)
    if looked_at:
        assert repr(snapshot.state) == repr(state)
    assert snapshot.compare(state).changed == ()
    queues, rest = arrays(state)
    queues[1].last_avail_idx += 1
    assert snapshot.compare(state).changed == ("queue_indices",)
    queues[1].last_avail_idx -= 1
    assert snapshot.compare(state).changed == ()
    rest[1].avail += 2
    assert snapshot.compare(state).changed == ("ring_geometry",)


def test_a_condition_on_a_value_of_the_same_item_is_kept_as_it_is() -> None:
    """A value that is elsewhere is not in the record: there a byte says whether what depends on it is."""
    vmsd = VMStateDescription("dev", [Field("there", t.UINT8), Field("v", t.UINT16, exists=this.there != 0)])
    state = vmsd.decode(b"\1\0\5")

    def fields(*paths: str) -> list[str]:
        table = ItemTable("dev", (Item("item", ItemClass.VALUE, paths, "nowhere"),), lambda state: None)  # type: ignore[arg-type,return-value]
        return [field.name for field in derive(vmsd, table, ["item"], "dev/item", state).vmsd.fields]

    assert fields("there", "v") == ["there", "v"]
    assert fields("v") == [f"v.{PRESENT}", "v"]


@description("dev")
class Dev(VMState):
    row: list[int] = array(uint8, 3)
    grid: list[list[int]] = array(uint8, 2, 2)


def test_a_signature_tells_what_is_changed_in_place() -> None:
    vmsd = Dev.vmsd
    state = vmsd.decode(bytes(range(7)))
    for path, line in ("row", state.row), ("grid", state.grid[1]):
        table = ItemTable("dev", (Item("item", ItemClass.VALUE, (path,), "nowhere"),), lambda state: None)  # type: ignore[arg-type,return-value]
        group = derive(vmsd, table, ["item"], f"dev/{path}", state)
        before = group.sign(state)
        # Of lists in a list it says that they may have changed, rather than to miss that one has.
        assert path == "grid" or group.sign(state) == before
        line[1] ^= 0xFF
        assert group.sign(state) != before


def test_what_a_back_end_is_told_is_told_with_the_item() -> None:
    state = card()
    snapshot = Snapshot.take(state)
    again = copy.deepcopy(state)
    again.net.curr_guest_offloads ^= 1 << 7
    plan = PerItem().plan(snapshot.compare(again), BackendName.TAP)
    told = [(operation.name, operation.item) for operation in plan.operations if operation.name == "TUNSETOFFLOAD"]
    assert told == [("TUNSETOFFLOAD", "guest_offloads")]


# Attempts and streams.


def test_attempts_are_counted_from_one() -> None:
    source = Source(card())
    assert source.generation == 0
    for attempt in (1, 2):
        (message,) = source.setup()
        assert message.kind == Kind.EARLY and source.generation == attempt
        assert source.snapshot is not None and source.snapshot.generation == attempt
        assert message.data == source.snapshot.to_early_bytes()
        source.cancel()


def test_resets_are_counted_from_none() -> None:
    source = Source(card())
    assert source.resets == 0
    source.reset(lambda state: None)
    assert source.resets == 1
    source.setup()
    assert source.snapshot is not None and source.snapshot.reset_generation == 1


def test_what_is_wrong_in_a_record_is_told_with_the_device() -> None:
    early, final = (load(plain(FILES["qemu-7.2-vlan-add", moment])) for moment in ("early", "final"))
    record = bytearray(record_streams(early, final))
    # Of the VLANs one word has changed, the first of 128: now it is the 257th.
    record[-12] ^= 1
    with pytest.raises(VMStateError, match="vlans: no such element") as caught:
        apply_record(early, bytes(record))
    assert caught.value.section == "0000:00:01.0/virtio-net"


def test_streams_of_other_devices_are_no_pair() -> None:
    early, final = (load(plain(FILES[PAIRS[0], moment])) for moment in ("early", "final"))
    assert record_streams(early, final)
    bare = load(plain("recorded/qemu-7.2-microvm-bare-cold.mig.xz"))
    microvm = load(plain("qemu-7.2-microvm-virtio-net-mmio.mig.xz"))
    with pytest.raises(EarlyError):
        record_streams(early, bare)
    with pytest.raises(EarlyError, match=r"not the same devices.*virtio-net#0"):
        record_streams(microvm, bare)


# Cost.


@pytest.mark.parametrize("pairs", [1, 4, 8])
def test_the_published_cost_of_a_vdpa_start(pairs: int) -> None:
    """The configuration of each pair is one figure; enabling the data queues and that of control is not part of it."""
    answers = [
        answer
        for answer in what_if(Question(backend="vhost-vdpa", queue_pairs=pairs))
        if answer.figures == PUBLISHED.name
    ]
    assert len(answers) == 2
    for answer in answers:
        configuration, enabling = 31.1 * pairs, 0.0044 * (2 * pairs + 1)
        assert answer.baseline == pytest.approx(13.29 + configuration + enabling)
        assert answer.minimal == pytest.approx(0.13 + 0.0044 * 2 * pairs)
        assert answer.not_counted == ()
