"""Early migration: items, groups, deltas, records and policies, on the real pairs of one running guest."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from recorded import FIXTURES, PROVENANCE, STREAMS, opened

from vmstate import Section, load
from vmstate.cli import main
from vmstate.declare import facts_of
from vmstate.early.backends import BACKENDS
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.delta import early_of
from vmstate.early.items import ItemClass, ItemTable, check_table, table_of
from vmstate.early.operations import CVQ_COMMANDS
from vmstate.early.policy import FULL, MINIMAL, PerItem, RfcV2
from vmstate.early.reset import INFERRED, KNOWN, NONE_SEEN
from vmstate.early.snapshot import Delta, DirtyBits, Snapshot
from vmstate.errors import EarlyError, VMStateError

PAIRS = sorted(entry["pair"] for entry in PROVENANCE.values() if entry.get("moment") == "early" and "pair" in entry)

EXPECTED = {
    "idle": (MINIMAL, [], NONE_SEEN, MINIMAL, []),
    "traffic": (MINIMAL, [], NONE_SEEN, MINIMAL, []),
    "vlan-add": (MINIMAL, ["mac_table", "vlan"], NONE_SEEN, FULL, []),
    "mac-change": (MINIMAL, ["mac", "mac_table"], NONE_SEEN, FULL, []),
    "rss-on": (MINIMAL, ["rss"], NONE_SEEN, FULL, []),
    "queues-2": (MINIMAL, ["queue_pairs"], NONE_SEEN, FULL, []),
    "irq-affinity": (MINIMAL, ["msix"], NONE_SEEN, MINIMAL, ["msix"]),
    "driver-reload": (FULL, ["ring_geometry"], INFERRED, MINIMAL, ["ring_geometry"]),
    "packed driver reload": (FULL, ["ring_geometry"], INFERRED, MINIMAL, ["ring_geometry"]),
    "legacy driver reload": (FULL, ["mac_table", "ring_geometry"], INFERRED, FULL, []),
    "link down": (MINIMAL, ["config", "net_status"], NONE_SEEN, FULL, []),
    "mq4 offloads": (MINIMAL, ["guest_offloads"], NONE_SEEN, FULL, []),
    "reboot": (
        FULL,
        [
            *("device_status", "flags", "guest_features", "guest_offloads", "mac_table", "msix", "pci_config"),
            *("queue_enabled", "ring_geometry", "rx_mode", "vectors", "vlan"),
        ],
        INFERRED,
        FULL,
        [],
    ),
}
"""Action -> mode and changed items of PerItem, sign of a reset, mode of RfcV2 and what that loses."""

NAMES = {
    *("mac", "mac_table", "rx_mode", "vlan", "net_status", "queue_pairs", "rss", "guest_offloads", "tx_waiting"),
    *("device_status", "isr", "selectors", "guest_features", "device_endian", "flags", "config", "queue_count"),
    *("ring_geometry", "ring_default", "queue_enabled", "queue_indices", "vectors", "msix", "pba", "irq_state"),
    *("pci_config", "transport", "backend_state", "host"),
}


def path_of(pair: str, moment: str) -> str:
    """The recorded stream of a moment of a pair."""
    return next(
        file for file, known in PROVENANCE.items() if known.get("pair") == pair and known.get("moment") == moment
    )


def card(file: str, number: int = 0) -> Section:
    return [section for section in opened(file).sections if section.name.endswith("virtio-net")][number]


def delta_of_pair(pair: str) -> Delta:
    return Snapshot.take(card(path_of(pair, "early")).state).compare(card(path_of(pair, "final")).state)


def test_the_items_of_virtio_net_are_the_closed_list() -> None:
    vmsd = card(path_of(PAIRS[0], "early")).vmsd
    assert vmsd is not None
    table = table_of(vmsd)
    assert table is not None
    check_table(table)
    assert set(table.names) == NAMES
    assert all(item.source for item in table.items)


def test_no_other_device_has_the_table_of_the_card() -> None:
    seen = {}
    for section in opened("recorded/qemu-11.1-q35-virtio-devices-booted.mig.xz").sections:
        table = None if section.vmsd is None else table_of(section.vmsd)
        if table is not None:
            check_table(table)
            seen[section.name.rpartition("/")[2]] = table.name
    assert {"virtio-blk", "virtio-scsi", "virtio-rng"} <= set(seen)
    assert all(name == of for name, of in seen.items())


# ---------------------------------------------------------------------------------------------------------------------
# Every byte belongs to one item.


@cache
def owner_of(table: ItemTable, path: str) -> str | None:
    item = table.owner(path)
    return None if item is None else item.name


def owners_by_trace(section: Section) -> list[str | None]:
    """The item of each byte of a section, by the codec's trace: that of the innermost entry the byte is in."""
    assert section.vmsd is not None
    table = table_of(section.vmsd)
    assert table is not None
    data = section.payload()
    owners: list[str | None] = [None] * len(data)
    for path, entry in section.vmsd.trace(data, facts=facts_of(section.state)).items():
        name = owner_of(table, re.sub(r"\[\d+\]", "", path))
        if name is not None:
            owners[entry.offset : entry.offset + entry.size] = [name] * entry.size
    return owners


@pytest.mark.parametrize("file", STREAMS)
def test_every_byte_belongs_to_one_item_and_no_change_is_a_small_record(file: str) -> None:
    """Under 300 bytes for up to 4 queue pairs, on every transport; a disk sends its requests again besides."""
    for section in opened(file).sections:
        table = None if section.vmsd is None else table_of(section.vmsd)
        if table is None:
            continue
        assert None not in owners_by_trace(section), section.name
        plan = PerItem().plan(Snapshot.take(section.state).compare(section.state))
        assert (plan.mode, plan.lost, plan.is_exact) == (MINIMAL, (), True)
        if table.name != "virtio-blk" or not section.state.virtio.requests:
            assert plan.bytes < 300


@pytest.mark.parametrize(
    "file",
    [
        path_of("qemu-7.2-mq4-rss-on", "final"),
        "qemu-11.1-pc-virtio-net-legacy.mig.xz",
        "qemu-7.2-pc-virtio-net-transitional.mig.xz",
        "qemu-7.2-microvm-virtio-net-mmio.mig.xz",
        "qemu-7.2-s390x-virtio-net-ccw.mig.xz",
        "qemu-7.2-q35-virtio-net-packed.mig.xz",
    ],
)
def test_a_byte_that_changes_is_a_change_of_its_item_and_of_no_other(file: str) -> None:
    """The groups against the trace: bytes are changed one by one, and the item that differs is the one that has it."""
    section = card(file)
    vmsd = section.vmsd
    assert vmsd is not None
    data, facts, owners = section.payload(), facts_of(section.state), owners_by_trace(section)
    snapshot = Snapshot.take(section.state)
    seen = set()
    for place in [*range(0, min(len(data), 1500), 7), *range(1500, len(data), 997)]:
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            state = vmsd.decode(bytes(changed), facts=facts)
        except VMStateError:
            continue
        if vmsd.encode(state, force=True) != changed or facts_of(state) != facts:
            continue
        differ = [name for name, group in snapshot.groups.items() if not group.is_same(snapshot.state, state)]
        if differ:  # padding is no value
            assert owners[place] in differ, (place, owners[place], differ)
            counts = owners[place] in (
                "queue_pairs",
                "mac_table",
                "host",
                "queue_count",
                "pci_config",
                "guest_features",
            )
            assert len(differ) == 1 or counts, (place, differ)
            seen.add(owners[place])
    assert len(seen) >= 8


# ---------------------------------------------------------------------------------------------------------------------
# The pairs.


@pytest.mark.parametrize("pair", PAIRS)
def test_what_the_policies_decide_on_a_pair(pair: str) -> None:
    action = PROVENANCE[path_of(pair, "early")]["action"]
    if action not in EXPECTED:
        return
    mode, items, reset, rfc_mode, lost = EXPECTED[action]
    delta = delta_of_pair(pair)
    assert delta.evidence.reset == reset
    for backend in BACKENDS:
        plan = PerItem().plan(delta, backend)
        assert (plan.mode, sorted(reason.item for reason in plan.reasons)) == (mode, sorted(items))
        assert plan.lost == ()
        assert plan.is_exact
        rfc = RfcV2().plan(delta, backend)
        assert (rfc.mode, list(rfc.lost)) == (rfc_mode, lost)


def test_a_ring_that_was_reset() -> None:
    """`ethtool -G`: minimal where the back end can restart one queue, and three items lost by RFC v2."""
    delta = delta_of_pair("qemu-7.2-mq4-ring-reset")
    assert delta.evidence.reset == NONE_SEEN
    for name, backend in BACKENDS.items():
        plan = PerItem().plan(delta, name)
        assert plan.mode == (MINIMAL if backend.can_reset_queue else FULL)
        assert {reason.item for reason in plan.reasons} == {"ring_geometry", "ring_default"}
        assert plan.lost == () and plan.is_exact
        rfc = RfcV2().plan(delta, name)
        assert (rfc.mode, set(rfc.lost)) == (MINIMAL, {"ring_geometry", "ring_default", "selectors"})


@pytest.mark.parametrize("pair", PAIRS)
def test_early_state_and_record_make_the_final_section(pair: str, tmp_path: Path) -> None:
    early, final = (str(FIXTURES / path_of(pair, moment)) for moment in ("early", "final"))
    record, made = str(tmp_path / "record"), str(tmp_path / "made")
    assert main(["early", "record", early, final, "-o", record]) == 0
    assert main(["early", "apply", early, record, "-o", made]) == 0
    with load(made) as made_stream, load(final) as final_stream, load(early) as early_stream:
        for section in made_stream.sections:
            if section.vmsd is not None and table_of(section.vmsd) is not None:
                assert section.payload() == final_stream[section.name].payload()
            elif not section.is_ram:
                assert section.payload() == early_stream[f"{section.name}#{section.instance_id}"].payload()


def test_the_record_without_change_of_four_pairs() -> None:
    delta = delta_of_pair("qemu-7.2-mq4-queues-2")
    early = delta.snapshot
    plan = PerItem().plan(early.compare(early.state))
    assert len(early.layout.rings) == 9
    assert plan.bytes < 100
    assert plan.full_bytes == 46415


# ---------------------------------------------------------------------------------------------------------------------
# The descriptions.


def test_the_descriptions_are_derived() -> None:
    delta = delta_of_pair("qemu-7.2-vlan-add")
    snapshot = delta.snapshot
    assert early_of(snapshot.vmsd, snapshot.table).early_setup
    values = snapshot.early_vmsd.decode(snapshot.to_early_bytes(), facts=snapshot.facts)
    assert values["early_generation"] == snapshot.generation
    assert values["virtio"] == snapshot.state.virtio
    assert len(snapshot.to_early_bytes()) == len(snapshot.data) + 8
    vmsd = snapshot.delta_vmsd
    always = {item.name for item in snapshot.table.items if item.cls is ItemClass.ALWAYS}
    assert {sub.attribute for sub in vmsd.vmsd.subsections} == NAMES - always
    record = PerItem().plan(delta).record
    values = vmsd.decode(record, snapshot.generation, snapshot.facts, snapshot.name)
    assert [name for name in vmsd.groups if values[name] is not None] == ["mac_table", "vlan"]
    assert values["vlan"]["virtio"]["net"]["vlans"] == [{"index": 2, "element": 0x2000}]
    assert next(iter(vmsd.vmsd.trace(record, facts=snapshot.facts))) == "early_generation"


def test_no_name_of_a_delta_begins_with_another() -> None:
    """QEMU takes what begins with a struct's name for a subsection of that struct."""
    delta = delta_of_pair("qemu-7.2-idle")
    vmsd = delta.snapshot.delta_vmsd.vmsd
    outer = [vmsd.name, *(sub.vmsd.name for sub in vmsd.subsections)]
    inner = {name_inside.name for name_inside in vmsd.walk()} - set(outer)
    for name in outer[1:]:
        assert not any(longer != name and longer.startswith(name) for longer in outer[1:])
        assert not any(name.startswith(name_inside) for name_inside in inner if name_inside)


# ---------------------------------------------------------------------------------------------------------------------
# Hazards, by name.


def early_and_copy(file: str = "pairs/qemu-7.2-mq4-rss-on-final.mig.xz") -> tuple[Snapshot, Any]:
    section = card(file)
    snapshot = Snapshot.take(section.state)
    return snapshot, snapshot.decode()


def decided(snapshot: Snapshot, state: Any, backend: str = "tap", **how: Any) -> tuple[str, list[str]]:
    delta = snapshot.compare(state, **how)
    plan = PerItem().plan(delta, backend)
    assert plan.lost == ()
    assert plan.is_exact
    return plan.mode, [reason.item for reason in plan.reasons]


def test_hazard_same_status_after_a_reset() -> None:
    """The count of resets tells what no value does."""
    section = card(path_of("qemu-7.2-idle", "early"))
    snapshot = Snapshot.take(section.state, reset_generation=3)
    again = snapshot.compare(section.state, reset_generation=4)
    assert (again.changed, again.evidence.reset) == ((), KNOWN)
    plan = PerItem().plan(again)
    assert (plan.mode, plan.reasons[0].item, str(plan.reasons[0].cls)) == (FULL, "device_status", "reset")
    assert RfcV2().plan(again).mode == MINIMAL
    assert PerItem().plan(snapshot.compare(section.state, reset_generation=3)).mode == MINIMAL
    # A snapshot without a count is where the counting begins.
    begun = Snapshot.take(section.state)
    assert PerItem().plan(begun.compare(section.state, reset_generation=1)).mode == FULL
    assert begun.compare(section.state, reset_generation=1).evidence.reset == "known"
    assert PerItem().plan(begun.compare(section.state, reset_generation=0)).mode == MINIMAL
    assert begun.compare(section.state).evidence.reset == "none-seen"


def test_hazard_config_buffer_rewritten_by_a_read() -> None:
    """A guest that reads its configuration space makes RFC v2 load everything again; here some bytes go along."""
    snapshot, state = early_and_copy()
    config = bytearray(state.virtio.config)
    config[6] ^= 2
    state.virtio.config = bytes(config)
    delta = snapshot.compare(state)
    assert RfcV2().plan(delta).mode == FULL
    for backend in BACKENDS:
        plan = PerItem().plan(delta, backend)
        assert (plan.mode, [reason.item for reason in plan.reasons]) == (MINIMAL, ["config"])
        assert plan.bytes < 300
        assert "SET_CONFIG" not in [operation.name for operation in plan.operations]


def test_hazard_tx_waiting_flaps() -> None:
    snapshot, state = early_and_copy()
    state.virtio.net.vqs.tx_waiting = 1
    delta = snapshot.compare(state)
    assert RfcV2().plan(delta).mode == FULL
    assert decided(snapshot, state) == (MINIMAL, [])


def test_hazard_back_to_default_is_sent() -> None:
    """Scaling off, filters empty, a VLAN gone, offloads full: the back end is told each of them."""
    snapshot, state = early_and_copy()
    state.virtio.net.rss = None
    state.virtio.net.mac_table = []
    state.virtio.net.promisc, state.virtio.net.allmulti = 1, 0
    state.virtio.net.vlan_ids = frozenset()
    mode, items = decided(snapshot, state, "vhost-vdpa")
    assert (mode, items) == (MINIMAL, ["mac_table", "rss", "rx_mode", "vlan"])
    plan = PerItem().plan(snapshot.compare(state), "vhost-vdpa")
    sent = {operation.name: operation.value for operation in plan.operations}
    assert sent["MAC_TABLE_SET"] == ((), ())
    assert sent["RSS_CONFIG"][0] == 0
    assert sent["PROMISC"] == 1
    assert sent["VLAN_DEL"] == 0


def test_hazard_subsection_that_went_away() -> None:
    """A load on top of the early state would leave scaling on and the device broken; a record takes them away."""
    snapshot, state = early_and_copy()
    assert state.virtio.net.rss is not None
    state.virtio.net.rss = None
    assert decided(snapshot, state) == (MINIMAL, ["rss"])
    plan = PerItem().plan(snapshot.compare(state))
    assert plan.result.virtio.net.rss is None


def test_hazard_indices_of_a_running_back_end_are_old() -> None:
    """What was sent early of the indices never counts: they are in every record."""
    snapshot, state = early_and_copy()
    values = snapshot.delta_vmsd.decode(
        PerItem().plan(snapshot.compare(state)).record, snapshot.generation, snapshot.facts, snapshot.name
    )
    sent = [queue["last_avail_idx"] for queue in values["always"]["virtio"]["vq"]]
    assert sent == [queue.last_avail_idx for queue in state.virtio.vq]


# ---------------------------------------------------------------------------------------------------------------------
# Rows whose class depends on how they changed.


def test_needs_reset_alone_is_a_value() -> None:
    snapshot, state = early_and_copy()
    state.virtio.status = type(state.virtio.status)(state.virtio.status | 0x40)
    assert decided(snapshot, state) == (MINIMAL, ["device_status"])
    state.virtio.status = type(state.virtio.status)(0)
    assert decided(snapshot, state) == (FULL, ["device_status"])


def move(state: Any, queue: int, by: int = 0x10000, num: int | None = None) -> None:
    """Give a queue other rings, as a driver does that restarts it."""
    ring = state.virtio.vq[queue]
    place = state.virtio.virtio.virtqueues.vq[queue]
    registers = state.virtio.virtio.extra_state.extra_state.modern_state.vqs[queue]
    ring.desc, place.avail, place.used = ring.desc + by, place.avail + by, place.used + by
    ring.last_avail_idx = 1
    if num is not None:
        ring.num = registers.num = num
    registers.desc, registers.avail, registers.used = ring.desc, place.avail, place.used


def test_ring_reset_of_one_queue() -> None:
    """A value where the driver has RING_RESET and the back end can restart one queue."""
    snapshot, state = early_and_copy()
    move(state, 1, num=128)
    sizes = type(state.virtio.virtio).vmsd.subsections[4].vmsd.state_class()
    for number, queue in enumerate(snapshot.state.virtio.vq):
        sizes.vq[number].num_default = queue.num
    state.virtio.virtio.ringsize = sizes
    for name, backend in BACKENDS.items():
        expected = MINIMAL if backend.can_reset_queue else FULL
        assert decided(snapshot, state, name) == (expected, ["ring_geometry", "ring_default"])
    assert not VhostVdpa.can_reset_queue
    assert snapshot.compare(state).evidence.reset == NONE_SEEN


def test_ring_reset_where_the_default_sizes_are_not_sent() -> None:
    """QEMU 11.1 does not send them after Linux has given a queue another size: nothing then says what they are."""
    snapshot, state = early_and_copy("pairs/qemu-11.1-mq4-rss-on-final.mig.xz")
    move(state, 0, num=128)
    assert decided(snapshot, state) == (MINIMAL, ["ring_geometry"])


def test_the_reason_of_sizes_is_short() -> None:
    snapshot, state = early_and_copy()
    move(state, 1, num=128)
    sizes = type(state.virtio.virtio).vmsd.subsections[4].vmsd.state_class()
    sizes.vq[1].num_default = 256
    state.virtio.virtio.ringsize = sizes
    reasons = {reason.item: reason for reason in PerItem().plan(snapshot.compare(state)).reasons}
    assert reasons["ring_default"].after == {"vq": {"1": {"num_default": 256}}}


def test_rings_that_moved_without_ring_reset_are_a_reset() -> None:
    snapshot, state = early_and_copy()
    for card in (snapshot.state, state):
        card.virtio.virtio.features64.guest_features &= ~(1 << 40)
    snapshot = Snapshot.take(snapshot.state)
    move(state, 1)
    delta = snapshot.compare(state)
    assert delta.evidence.reset == INFERRED
    assert "RING_RESET was not accepted" in delta.evidence.reasons[0]
    assert PerItem().plan(delta).mode == FULL


def test_rings_that_all_moved_are_a_reset_whatever_was_accepted() -> None:
    snapshot, state = early_and_copy()
    for queue in range(9):
        move(state, queue)
    assert snapshot.compare(state).evidence.reset == INFERRED
    assert decided(snapshot, state) == (FULL, ["ring_geometry"])


def test_where_resets_are_counted_nothing_is_inferred() -> None:
    section = card("pairs/qemu-7.2-mq4-rss-on-final.mig.xz")
    snapshot = Snapshot.take(section.state, reset_generation=0)
    state = snapshot.decode()
    for queue in range(8):
        move(state, queue)
    assert decided(snapshot, state, reset_generation=0) == (MINIMAL, ["ring_geometry"])


def test_queue_that_is_not_enabled_any_more() -> None:
    snapshot, state = early_and_copy()
    state.virtio.virtio.extra_state.extra_state.modern_state.vqs[3].enabled = False
    delta = snapshot.compare(state)
    assert (delta.changed, delta.evidence.reset) == (("queue_enabled",), INFERRED)
    assert PerItem().plan(delta).mode == FULL


def test_queue_in_the_middle_of_its_restart() -> None:
    snapshot, state = early_and_copy()
    ring, place = state.virtio.vq[3], state.virtio.virtio.virtqueues.vq[3]
    ring.desc = place.avail = place.used = ring.last_avail_idx = 0
    state.virtio.virtio.extra_state.extra_state.modern_state.vqs[3].enabled = False
    assert decided(snapshot, state) == (MINIMAL, ["ring_geometry", "queue_enabled"])


def test_number_of_queues_is_explained_by_the_pairs() -> None:
    snapshot, state = early_and_copy()
    del state.virtio.vq[5:]
    state.virtio.num_queues = 5
    assert decided(snapshot, state)[0] == FULL
    state.virtio.net.curr_queue_pairs = 2
    del state.virtio.net.tx_waiting.vqs_1[1:]
    delta = snapshot.compare(state)
    by_item = {reason.item: str(reason.cls) for reason in PerItem().plan(delta).reasons}
    assert by_item["queue_count"] == "value"


def test_features_that_changed_are_a_reset() -> None:
    snapshot, state = early_and_copy()
    state.virtio.virtio.features64.guest_features ^= 1 << 20
    delta = snapshot.compare(state)
    assert delta.evidence.reset == INFERRED
    assert PerItem().plan(delta).mode == FULL


@pytest.mark.parametrize(("back", "is_reset"), [(1, True), (127, True), (128, False), (-1, False), (-40000, False)])
def test_index_that_went_back(back: int, is_reset: bool) -> None:
    snapshot, state = early_and_copy()
    state.virtio.vq[1].last_avail_idx = (state.virtio.vq[1].last_avail_idx - back) & 0xFFFF
    assert snapshot.state.virtio.vq[1].num == 256
    delta = snapshot.compare(state)
    assert delta.evidence.is_reset == is_reset
    plan = PerItem().plan(delta)
    assert plan.mode == (FULL if is_reset else MINIMAL)
    if is_reset:
        assert [(reason.item, str(reason.cls)) for reason in plan.reasons] == [("queue_indices", "reset")]


def test_index_of_a_packed_ring_that_went_back() -> None:
    snapshot, state = early_and_copy("qemu-7.2-q35-virtio-net-packed.mig.xz")
    queue = state.virtio.virtio.packed_virtqueues.vq[0]
    queue.last_avail_idx, queue.last_avail_wrap_counter = (queue.last_avail_idx - 1) % 256, queue.last_avail_idx != 0
    assert snapshot.compare(state).evidence.is_reset
    queue.last_avail_idx, queue.last_avail_wrap_counter = 200, True
    assert decided(snapshot, state) == (MINIMAL, [])


def test_backend_state_forbids_an_early_start() -> None:
    delta = Snapshot.take(card("vhost-user/qemu-11.1-passt-early.mig.xz").state).compare(
        card("vhost-user/qemu-11.1-passt-final.mig.xz").state
    )
    plan = PerItem().plan(delta, "vhost-user")
    assert plan.mode == MINIMAL
    assert plan.refused_early is not None
    assert plan.early_operations == ()
    names = [operation.name for operation in plan.operations]
    assert names.index("SET_DEVICE_STATE_FD") < names.index("SET_VRING_KICK")
    state = delta.snapshot.decode()
    state.virtio.net.backend.backend.pieces = [b"other"]
    assert decided(delta.snapshot, state, "vhost-user") == (FULL, ["backend_state"])


def test_link_that_went_down() -> None:
    snapshot, state = early_and_copy()
    state.virtio.net.status = type(state.virtio.net.status)(0)
    for backend in BACKENDS:
        assert decided(snapshot, state, backend) == (MINIMAL, ["net_status"])
    plan = PerItem().plan(snapshot.compare(state), "vhost-net")
    assert "SET_BACKEND" not in [operation.name for operation in plan.operations]


def test_commands_are_in_the_order_of_application() -> None:
    snapshot, state = early_and_copy()
    net = state.virtio.net
    net.mac = type(net.mac)("52:54:00:00:00:01")
    net.mac_table = ["01:00:5e:00:00:01"]
    net.rss = None
    net.curr_queue_pairs = 2
    del net.tx_waiting.vqs_1[1:]
    net.allmulti = 1
    net.vlan_ids = {7}
    state.virtio.net.curr_guest_offloads = 0
    plan = PerItem().plan(snapshot.compare(state), "vhost-vdpa")
    sent = [
        operation.name.replace("VLAN_DEL", "VLAN_ADD")
        for operation in plan.operations
        if operation.name in CVQ_COMMANDS
    ]
    order = [CVQ_COMMANDS.index(name) for name in sent]
    assert order == sorted(order)
    assert len(order) >= 6
    assert plan.is_exact


# ---------------------------------------------------------------------------------------------------------------------
# Dirty bits in place of comparing.


ACTIONS = {
    "MAC_ADDR_SET": lambda net: setattr(net, "mac", type(net.mac)("52:54:00:77:00:01")),
    "MAC_TABLE_SET": lambda net: setattr(net, "mac_table", ["33:33:00:00:00:05"]),
    "PROMISC": lambda net: setattr(net, "promisc", 1 - net.promisc),
    "VLAN_ADD": lambda net: setattr(net, "vlan_ids", net.vlan_ids | {99}),
    "VLAN_DEL": lambda net: setattr(net, "vlan_ids", frozenset()),
    "HASH_CONFIG": lambda net: setattr(net, "rss", None),
    "RSS_CONFIG": lambda net: setattr(net.rss, "default_queue", 1) if net.rss is not None else None,
    "GUEST_OFFLOADS_SET": lambda net: setattr(net, "curr_guest_offloads", 0),
    "set_link": lambda net: setattr(net, "status", type(net.status)(0)),
}


@pytest.mark.parametrize("first", ACTIONS)
def test_dirty_bits_and_comparing_agree(first: str) -> None:
    for second in ACTIONS:
        snapshot, state = early_and_copy()
        dirty = DirtyBits(snapshot.table)
        for event in (first, second):
            ACTIONS[event](state.virtio.net)
            dirty.notify(event)
        state.virtio.vq[0].last_avail_idx += 3
        state.virtio.isr = 1
        compared, reported = snapshot.compare(state), snapshot.compare(state, dirty=dirty)
        assert compared.changed == reported.changed
        compared_plan, reported_plan = PerItem().plan(compared, "vhost-net"), PerItem().plan(reported, "vhost-net")
        assert (compared_plan.record, compared_plan.mode) == (reported_plan.record, reported_plan.mode)
        assert reported_plan.is_exact


def test_a_reset_is_a_dirty_bit() -> None:
    snapshot, state = early_and_copy()
    dirty = DirtyBits(snapshot.table)
    dirty.reset()
    delta = snapshot.compare(state, dirty=dirty)
    assert (delta.changed, delta.evidence.reset) == ((), KNOWN)
    assert PerItem().plan(delta).mode == FULL
    with pytest.raises(EarlyError, match="no 'PING'"):
        dirty.notify("PING")


def test_a_change_that_nobody_reported_is_found_by_comparing() -> None:
    snapshot, state = early_and_copy()
    state.virtio.net.promisc ^= 1
    assert snapshot.compare(state).changed == ("rx_mode",)
    assert snapshot.compare(state, dirty=DirtyBits(snapshot.table)).changed == ()


# ---------------------------------------------------------------------------------------------------------------------
# Commands and bad input.


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["early", "plan", *words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_json_of_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    early, final = (str(FIXTURES / path_of("qemu-7.2-vlan-add", moment)) for moment in ("early", "final"))
    document = run_json(capsys, early, final, "--backend", "vhost-vdpa")
    (device,) = document["devices"]
    assert set(device) == {"name", "reset", "evidence", "policies"}
    assert (device["name"], device["reset"]) == ("0000:00:01.0/virtio-net", "none-seen")
    plan = device["policies"]["per-item"]
    assert set(plan) == {"mode", "reasons", "bytes", "full_bytes", "lost", "operations", "cost_ms"}
    assert [reason["item"] for reason in plan["reasons"]] == ["mac_table", "vlan"]
    vlan = plan["reasons"][1]
    assert vlan == {"item": "vlan", "class": "value", "before": [0], "after": [0, 77]}
    assert {"published", "lab"} == set(plan["cost_ms"])
    assert plan["operations"][1] == {
        "name": "VLAN_ADD",
        "queue": None,
        "value": 77,
        "item": "vlan",
        "phase": "stop",
    }
    assert device["policies"]["rfc-v2"]["mode"] == "full"
    only = run_json(capsys, early, final, "--policy", "per-item")["devices"][0]["policies"]
    assert list(only) == ["per-item"]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["early", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def fixture(file: str) -> str:
    return str(FIXTURES / file)


@pytest.mark.parametrize(
    ("early", "final", "says"),
    [
        ("pairs/qemu-7.2-idle-early.mig.xz", "pairs/qemu-11.1-idle-final.mig.xz", "pc-q35-7.2"),
        ("pairs/qemu-7.2-idle-early.mig.xz", "qemu-7.2-q35-virtio-net-two.mig.xz", "0000:00:02.0/virtio-net"),
        ("qemu-7.2-pc-virtio-net-transitional.mig.xz", "qemu-7.2-pc-virtio-net-legacy.mig.xz", "transport"),
        ("recorded/qemu-7.2-none.mig.xz", "recorded/qemu-7.2-none.mig.xz", "no device"),
    ],
)
def test_streams_that_do_not_belong_together(
    early: str, final: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert says in refused(capsys, "plan", fixture(early), fixture(final))
    out = tmp_path / "record"
    refused(capsys, "record", fixture(early), fixture(final), "-o", str(out))
    assert not out.exists()


def test_host_constants_that_differ() -> None:
    snapshot, state = early_and_copy()
    state.virtio.net.max_queue_pairs = 8
    with pytest.raises(EarlyError, match=r"max_queue_pairs \(expected 4 \(early\), found 8 \(final\)\)"):
        snapshot.compare(state)
    snapshot, state = early_and_copy("qemu-7.2-microvm-virtio-net-mmio.mig.xz")
    state.virtio.virtio.ringsize.vq[0].num_default = 512
    with pytest.raises(EarlyError, match="default ring sizes"):
        snapshot.compare(state)
    with pytest.raises(EarlyError, match=r"not the same device|constant of the host"):
        snapshot.compare(card("qemu-7.2-q35-virtio-net.mig.xz").state)


def test_default_sizes_that_are_not_sent_are_unknown() -> None:
    """QEMU 11.1 sends none after the restart of one queue with another size, QEMU 7.2 does: no host has changed."""
    snapshot, state = early_and_copy()
    assert state.virtio.virtio.ringsize is None
    state.virtio.vq[0].num //= 2
    assert snapshot.compare(state).changed == ("ring_geometry",)


@pytest.fixture
def record(tmp_path: Path) -> tuple[str, Path]:
    early, final = (fixture(path_of("qemu-7.2-vlan-add", moment)) for moment in ("early", "final"))
    out = tmp_path / "record"
    assert main(["early", "record", early, final, "-o", str(out)]) == 0
    return early, out


def test_what_is_read_is_not_written_over(record: tuple[str, Path], tmp_path: Path) -> None:
    early, delta = (tmp_path / "early.mig.xz", record[1])
    early.write_bytes(Path(record[0]).read_bytes())
    before = early.read_bytes(), delta.read_bytes()
    for arguments in (
        ("record", record[0], early, "-o", early),
        ("apply", early, delta, "-o", delta),
        ("insert", record[0], "--early", early, "-o", early),
    ):
        assert main(["early", *map(str, arguments)]) == 2
        assert (early.read_bytes(), delta.read_bytes()) == before


def test_a_record_of_another_generation(
    record: tuple[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, file = record
    out = tmp_path / "made"
    another = fixture(path_of("qemu-7.2-traffic", "early"))
    output = refused(capsys, "apply", another, str(file), "-o", str(out))
    assert "early generation 0x" in output
    assert "(early state)" in output
    assert "(record)" in output
    assert not out.exists()


def test_a_record_of_another_device_or_machine(
    record: tuple[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, file = record
    another = fixture("qemu-7.2-q35-smp4-rootports.mig.xz")
    output = refused(capsys, "apply", another, str(file), "-o", str(tmp_path / "made"))
    assert "0000:00:01.0:00.0/delta-virtio-net" in output
    assert "0000:00:01.0/delta-virtio-net" in output
    output = refused(
        capsys, "apply", fixture("pairs/qemu-11.1-idle-early.mig.xz"), str(file), "-o", str(tmp_path / "made")
    )
    assert "pc-q35-11.1" in output


def test_a_record_that_is_cut_anywhere(record: tuple[str, Path]) -> None:
    from vmstate.early.streams import apply_record

    early, file = record
    data = file.read_bytes()
    with load(early) as stream:
        before = stream.to_bytes()
        for end in range(len(data)):
            with pytest.raises(VMStateError):
                apply_record(stream, data[:end])
        assert stream.to_bytes() == before
        apply_record(stream, data)
        assert stream.to_bytes() != before


def test_a_record_with_a_byte_changed_never_gives_a_traceback() -> None:
    delta = delta_of_pair("qemu-7.2-vlan-add")
    snapshot = delta.snapshot
    record = PerItem().plan(delta).record
    for place in range(len(record)):
        for bit in (1, 0x40):
            damaged = bytearray(record)
            damaged[place] ^= bit
            try:
                values = snapshot.delta_vmsd.decode(bytes(damaged), snapshot.generation, snapshot.facts, snapshot.name)
                snapshot.delta_vmsd.put(values, snapshot.decode())
            except VMStateError:
                continue


def test_an_item_of_a_newer_version(
    record: tuple[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    early, file = record
    data = file.read_bytes()
    name = b"delta-virtio-net/vlan/"
    place = data.index(name) + len(name)
    assert data[place : place + 4] == b"\0\0\0\1"
    file.write_bytes(data[:place] + b"\0\0\0\2" + data[place + 4 :])
    output = refused(capsys, "apply", early, str(file), "-o", str(tmp_path / "made"))
    assert "the version is too new" in output
    assert "at most version 1" in output


def test_a_file_that_is_no_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    early = fixture(path_of("qemu-7.2-idle", "early"))
    refused(capsys, "apply", early, early, "-o", str(tmp_path / "made"))
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    refused(capsys, "apply", early, str(empty), "-o", str(tmp_path / "made"))
    assert not (tmp_path / "made").exists()


def test_bytes_that_no_value_stands_for_are_not_lost() -> None:
    """A bool of 2 is read by QEMU and never written: the plan falls back to the whole section."""
    section = card(path_of("qemu-7.2-idle", "early"))
    assert section.vmsd is not None
    data = bytearray(section.payload())
    place = data.index(b"virtio/started\0\0\0\1") + len(b"virtio/started\0\0\0\1")
    data[place] = 2
    state = section.vmsd.decode(bytes(data), facts=facts_of(section.state))
    delta = Snapshot.take(section.state).compare(state)
    plan = PerItem().plan(delta)
    assert (plan.mode, [reason.item for reason in plan.reasons]) == (FULL, ["flags"])
