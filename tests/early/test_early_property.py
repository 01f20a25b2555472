"""Early migration, whatever a guest does: any changes between two moments, on every transport."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import opened

from vmstate.devices.virtio import net_items
from vmstate.early.backends import BACKENDS
from vmstate.early.items import ItemClass, ItemTable, check_table, table_of
from vmstate.early.operations import CVQ_COMMANDS
from vmstate.early.policy import MINIMAL, PerItem, RfcV2
from vmstate.early.snapshot import DirtyBits, Snapshot
from vmstate.errors import EarlyError, VMStateError

pytestmark = pytest.mark.slow

CARDS = (
    "pairs/qemu-7.2-mq4-rss-on-final.mig.xz",
    "pairs/qemu-11.1-mq4-rss-on-final.mig.xz",
    "qemu-11.1-pc-virtio-net-legacy.mig.xz",
    "qemu-7.2-pc-virtio-net-transitional.mig.xz",
    "qemu-7.2-microvm-virtio-net-mmio.mig.xz",
    "qemu-7.2-s390x-virtio-net-ccw.mig.xz",
    "qemu-7.2-q35-virtio-net-packed.mig.xz",
    "qemu-11.1-q35-smp4-rootports.mig.xz",
    "vhost-user/qemu-11.1-passt-final.mig.xz",
    "recorded/qemu-5.2-q35-virtio-net-idle.mig.xz",
)


@cache
def snapshot_of(file: str) -> Snapshot:
    (section, *_) = [section for section in opened(file).sections if section.name.endswith("virtio-net")]
    return Snapshot.take(section.state)


LONG = os.environ.get("VMSTATE_HYPOTHESIS_PROFILE", "ci") == "long"
"""More examples."""

WORD = st.integers(0, 0xFFFF)


def traffic(state: Any, number: int) -> str | None:
    for queue in state.virtio.vq:
        if queue.desc:
            queue.last_avail_idx = (queue.last_avail_idx + number) & 0x7FFF
    return None


def mac(state: Any, number: int) -> str:
    state.virtio.net.mac = type(state.virtio.net.mac)(number.to_bytes(6, "big"))
    return "MAC_ADDR_SET"


def mac_table(state: Any, number: int) -> str:
    state.virtio.net.mac_table = [(place << 8 | number & 0xFF).to_bytes(6, "big") for place in range(number % 65)]
    state.virtio.net.multi_overflow = number & 1
    return "MAC_TABLE_SET"


def rx_mode(state: Any, number: int) -> str:
    for place, mode in enumerate(("promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast")):
        setattr(state.virtio.net, mode, number >> place & 1)
    return "PROMISC"


def vlan(state: Any, number: int) -> str:
    state.virtio.net.vlan_ids = state.virtio.net.vlan_ids ^ {number % 4096}
    return "VLAN_ADD"


def pairs(state: Any, number: int) -> str | None:
    net = state.virtio.net
    if net.max_queue_pairs is None:
        return None
    net.curr_queue_pairs = number % net.max_queue_pairs + 1
    flags = type(net.tx_waiting).vmsd.fields[0].type.vmsd.state_class
    net.tx_waiting.vqs_1 = [flags(tx_waiting=number >> place & 1) for place in range(net.curr_queue_pairs - 1)]
    return "VQ_PAIRS_SET"


def scaling(state: Any, number: int) -> str:
    net = state.virtio.net
    if number & 1:
        net.rss = None
        return "RSS_CONFIG"
    rss = type(net).vmsd.subsections[0].vmsd.state_class(enabled=True, redirect=True, hash_types=number)
    rss.indirections_table = [number & 3] * (1 << number % 8)
    rss.indirections_len = len(rss.indirections_table)
    rss.supported_hash_types = 0x1FF
    net.rss = rss
    return "RSS_CONFIG"


def offloads(state: Any, number: int) -> str | None:
    if state.virtio.net.curr_guest_offloads is None:
        return None
    state.virtio.net.curr_guest_offloads = number
    return "GUEST_OFFLOADS_SET"


def link(state: Any, number: int) -> str:
    state.virtio.net.status = type(state.virtio.net.status)(state.virtio.net.status ^ 1 + number % 3)
    return "set_link"


def tx_waiting(state: Any, number: int) -> None:
    state.virtio.net.vqs.tx_waiting = number & 1


def config_read(state: Any, number: int) -> None:
    state.virtio.config = bytes(state.virtio.net.mac) + state.virtio.config[6:]


def vectors(state: Any, number: int) -> str | None:
    if state.virtio.vq[0].vector is None:
        return None
    state.virtio.vq[0].vector ^= 1
    return "vector_setup"


def affinity(state: Any, number: int) -> str | None:
    table = getattr(state.virtio.transport, "msix_table", None)
    if not table:
        return None
    table[number % len(table)].data = number
    return "msix_write"


def pending(state: Any, number: int) -> None:
    if getattr(state.virtio.transport, "msix_pba", b""):
        size = len(state.virtio.transport.msix_pba)
        state.virtio.transport.msix_pba = (number & (1 << 8 * size) - 1).to_bytes(size, "little")


def pci_command(state: Any, number: int) -> str | None:
    pci = getattr(state.virtio.transport, "pci_dev", None)
    if pci is None:
        return None
    name = "express_config" if pci.express_config is not None else "conventional_config"
    config = bytearray(getattr(pci, name))
    config[4] = number & 0xFF
    setattr(pci, name, bytes(config))
    return "pci_config_write"


def needs_reset(state: Any, number: int) -> str:
    state.virtio.status = type(state.virtio.status)(state.virtio.status | 0x40)
    broken = type(state.virtio.virtio).vmsd.subsections[5].vmsd.state_class
    state.virtio.virtio.broken = broken(broken=True)
    return "virtio_error"


def mended(state: Any, number: int) -> str:
    state.virtio.virtio.broken = None
    return "status_write"


def restart(state: Any, number: int) -> str:
    queue = state.virtio.vq[0]
    queue.desc += 0x1000
    if state.virtio.virtio.virtqueues is not None:
        state.virtio.virtio.virtqueues.vq[0].used += 0x1000
    queue.last_avail_idx = number & 0x7FFF
    return "queue_setup"


def packed_indices(state: Any, number: int) -> None:
    packed = state.virtio.virtio.packed_virtqueues
    if packed is not None:
        packed.vq[number % 3].inuse = number
        packed.vq[1000].used_idx = number


ACTIONS: tuple[Callable[[Any, int], str | None], ...] = (
    *(traffic, mac, mac_table, rx_mode, vlan, pairs, scaling, offloads, link, tx_waiting, config_read),
    *(vectors, affinity, pending, pci_command, needs_reset, mended, restart, packed_indices),
)


@settings(max_examples=1500 if LONG else 60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(CARDS),
    st.lists(st.tuples(st.sampled_from(ACTIONS), WORD), max_size=8),
    st.sampled_from(sorted(BACKENDS)),
)
def test_whatever_changes_early_state_and_record_make_the_final_section(
    file: str, actions: list[tuple[Any, int]], backend: str
) -> None:
    snapshot = snapshot_of(file)
    state = snapshot.decode()
    dirty = DirtyBits(snapshot.table)
    for action, number in actions:
        event = action(state, number)
        if event is not None:
            dirty.notify(event)
    final = snapshot.encode(state)
    delta = snapshot.compare(state)
    assert delta.data == final
    plan = PerItem().plan(delta, backend)
    assert plan.lost == ()
    assert plan.is_exact
    classes = {reason.item: reason.cls for reason in plan.reasons}
    assert (plan.mode == MINIMAL) == (not {ItemClass.RESET, ItemClass.HOST} & set(classes.values()))
    if plan.mode == MINIMAL:
        assert snapshot.encode(plan.result) == final
    assert plan.operations is not None  # every order was accepted by the model of the back end
    reported = snapshot.compare(state, dirty=dirty)
    assert reported.changed == delta.changed
    rfc = RfcV2().plan(delta, backend)
    assert rfc.mode == MINIMAL or not rfc.lost


# ---------------------------------------------------------------------------------------------------------------------
# Each row of the table, by itself.


class Wrong(Exception):
    """The table does not hold."""


def hold(table: ItemTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be true of the table of the card; raises `Wrong`."""
    monkeypatch.setattr(net_items, "ITEMS", table)
    vmsd = snapshot_of(CARDS[0]).vmsd
    try:
        check_table(table)
        assert table_of(vmsd) is table
        for file in (CARDS[0], CARDS[4], CARDS[8]):
            for actions in ALONE, COMMANDS, *((action,) for action in ALONE):
                _one(file, actions)
        held = snapshot_of(CARDS[0]).decode()
        held.virtio.net.max_queue_pairs = 2
        with pytest.raises(EarlyError):
            _fresh(CARDS[0]).compare(held)
    except (AssertionError, VMStateError, KeyError, StopIteration, pytest.fail.Exception) as error:
        raise Wrong(str(error)[:200]) from error


EXPECTED: dict[Any, tuple[str, str | None]] = {
    mac: ("mac", "value"),
    mac_table: ("mac_table", "value"),
    rx_mode: ("rx_mode", "value"),
    vlan: ("vlan", "value"),
    pairs: ("queue_pairs", "value"),
    scaling: ("rss", "value"),
    offloads: ("guest_offloads", "value"),
    link: ("net_status", "value"),
    vectors: ("vectors", "value"),
    affinity: ("msix", "value"),
    pci_command: ("pci_config", "value"),
    traffic: ("queue_indices", None),
    tx_waiting: ("tx_waiting", None),
    pending: ("pba", None),
}


def isr(state: Any, number: int) -> None:
    state.virtio.isr ^= 1


def selector(state: Any, number: int) -> None:
    state.virtio.queue_sel ^= 1


def irq(state: Any, number: int) -> None:
    pci = getattr(state.virtio.transport, "pci_dev", None)
    if pci is not None:
        pci.irq_state.pins[0] ^= 1


def started(state: Any, number: int) -> None:
    state.virtio.virtio.disabled = type(state.virtio.virtio).vmsd.subsections[9].vmsd.state_class(disabled=True)


def config(state: Any, number: int) -> None:
    state.virtio.config = bytes(byte ^ 0xFF for byte in state.virtio.config)


def page_shift(state: Any, number: int) -> None:
    if hasattr(state.virtio.transport, "guest_page_shift"):
        state.virtio.transport.guest_page_shift ^= 1


def features(state: Any, number: int) -> None:
    state.virtio.guest_features ^= 1 << 16
    if state.virtio.virtio.features64 is not None:
        state.virtio.virtio.features64.guest_features ^= 1 << 16


def endian(state: Any, number: int) -> None:
    if state.virtio.virtio.device_endian is None:
        state.virtio.virtio.device_endian = (
            type(state.virtio.virtio).vmsd.subsections[0].vmsd.state_class(device_endian=2)
        )


def status(state: Any, number: int) -> None:
    state.virtio.status = type(state.virtio.status)(state.virtio.status ^ 1)


def rings(state: Any, number: int) -> None:
    for queue in state.virtio.vq:
        queue.desc += 0x1000


def enabled(state: Any, number: int) -> None:
    extra = state.virtio.virtio.extra_state
    registers = None if extra is None else getattr(extra.extra_state, "modern_state", None)
    if registers is not None:
        registers.vqs[0].enabled = not registers.vqs[0].enabled


def queue_count(state: Any, number: int) -> None:
    del state.virtio.vq[-1:]
    state.virtio.num_queues -= 1


def backend_state(state: Any, number: int) -> None:
    if state.virtio.net.backend is not None:
        state.virtio.net.backend.backend.pieces = [b"x"]


def one_ring(state: Any, number: int) -> None:
    """A queue that the driver has restarted with half its size, so that the default sizes are sent."""
    virtio = state.virtio.virtio
    if virtio.ringsize is not None or virtio.features64 is None or state.virtio.vq[0].num < 2:
        return
    sizes = type(virtio).vmsd.subsections[4].vmsd.state_class()
    for place, queue in enumerate(state.virtio.vq):
        sizes.vq[place].num_default = queue.num
    virtio.ringsize = sizes
    state.virtio.vq[0].num //= 2


def default_sizes(state: Any, number: int) -> None:
    """What no device does: it sends default sizes though all queues have them."""
    if state.virtio.virtio.ringsize is None:
        one_ring(state, number)
        state.virtio.vq[0].num *= 2


EXPECTED |= {
    default_sizes: ("ring_default", "host"),
    isr: ("isr", None),
    selector: ("selectors", None),
    irq: ("irq_state", None),
    started: ("flags", "value"),
    config: ("config", "value"),
    page_shift: ("transport", "value"),
    features: ("guest_features", "reset"),
    endian: ("device_endian", "reset"),
    status: ("device_status", "reset"),
    rings: ("ring_geometry", "reset"),
    enabled: ("queue_enabled", "reset"),
    queue_count: ("queue_count", "reset"),
    backend_state: ("backend_state", "reset"),
    one_ring: ("ring_default", "ring_geometry"),
}
ALONE: tuple[Any, ...] = tuple(EXPECTED)
"""Changes of one item each, with the item and its class as it changes so (None: sent always)."""


COMMANDS = (vlan, rx_mode, offloads, scaling, pairs, mac_table, mac)
"""Changes by the control queue, the last to be sent first."""


def _fresh(file: str) -> Snapshot:
    """The snapshot again, with the table that the device's class names now."""
    known = snapshot_of(file)
    return Snapshot(known.vmsd, known.data, known.facts)


def _one(file: str, actions: tuple[Any, ...]) -> None:
    snapshot = _fresh(file)
    state = snapshot.decode()
    for action in actions:
        action(state, 0x5555)
    final = snapshot.encode(state)
    if final == snapshot.data:
        return
    delta = snapshot.compare(state)
    plan = PerItem().plan(delta, "vhost-vdpa")
    assert plan.is_exact
    assert plan.lost == ()
    sent = [CVQ_COMMANDS.index(operation.name) for operation in plan.operations if operation.name in CVQ_COMMANDS]
    assert sent == sorted(sent)
    if len(actions) > 1 or not delta.snapshot.layout.driver_ok:
        return
    item, cls = EXPECTED[actions[0]]
    classes = {reason.item: str(reason.cls) for reason in plan.reasons}
    assert item in delta.changed, (file, item, delta.changed)
    if cls == "ring_geometry":
        cls = classes["ring_geometry"]
    assert classes.get(item) == cls, (file, item, classes)


def test_the_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    hold(net_items.ITEMS, monkeypatch)
