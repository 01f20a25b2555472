"""Early migration of virtio devices: the items that every one of them has, and its layout for a back end.

Classes and actions after QEMU's hw/virtio/virtio.c and hw/virtio/virtio-pci.c: what each setter needs, and what only a
reset can change. A path is that of a field in the state of the device (`vmstate.devices.virtio.core`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vmstate.devices.virtio.config import features_of
from vmstate.devices.virtio.rings import RING_PACKED
from vmstate.devices.virtio.status import DeviceStatus
from vmstate.early.items import Constant, Item, ItemClass, ItemTable, MixedRule
from vmstate.early.layout import Ring, RingLayout
from vmstate.early.operations import Role
from vmstate.vmsd.record import VirtIORecord

ACCESS_PLATFORM = 33
RING_RESET = 40

ALWAYS, VALUE, RESET, HOST = ItemClass.ALWAYS, ItemClass.VALUE, ItemClass.RESET, ItemClass.HOST

SET_BY_LOAD = ("device_endian",)
"""What virtio_load sets to its default itself where the stream does not have it."""

BODY = "virtio"
EXTRA = f"{BODY}.virtio.extra_state.extra_state"
MODERN = f"{EXTRA}.modern_state"
MMIO_STATE = f"{EXTRA}.state"

GUEST_FEATURES = Item(
    "guest_features",
    RESET,
    (
        f"{BODY}.guest_features",
        f"{BODY}.virtio.features64",
        f"{BODY}.virtio.features128",
        f"{MODERN}.guest_features",
        f"{MODERN}.features128",
        f"{MMIO_STATE}.guest_features",
    ),
    "virtio_set_features: only between a reset and FEATURES_OK",
    role=Role.FEATURES,
)
DEVICE_ENDIAN = Item(
    "device_endian", RESET, (f"{BODY}.virtio.device_endian",), "virtio_reset: set from the CPU that resets the device"
)
DEVICE_STATUS = Item(
    "device_status",
    RESET,
    (f"{BODY}.status",),
    "virtio_set_status; QEMU itself only adds NEEDS_RESET (virtio_error)",
    rule=MixedRule.ADDED_FLAG,
    role=Role.STATUS,
    flag=DeviceStatus.NEEDS_RESET,
    tracked=4,
    shown=f"{BODY}.status",
)
FLAGS = Item(
    "flags",
    VALUE,
    (f"{BODY}.virtio.broken", f"{BODY}.virtio.started", f"{BODY}.virtio.disabled"),
    "virtio_error, virtio_set_started, virtio_set_disabled",
)
CONFIG = Item(
    "config",
    VALUE,
    (f"{BODY}.config",),
    "virtio_config_readb and writeb: the bytes as the driver last read or wrote them",
    tracked=5,
    shown=f"{BODY}.config",
)
QUEUE_COUNT = Item(
    "queue_count",
    RESET,
    (f"{BODY}.num_queues",),
    "virtio_save: queues up to the first without a size; a device adds and deletes queues as features are set",
    rule=MixedRule.EXPLAINED_BY_EXTENT,
    shown=f"{BODY}.num_queues",
)
RING_GEOMETRY = Item(
    "ring_geometry",
    RESET,
    (
        f"{BODY}.vq.num",
        f"{BODY}.vq.align",
        f"{BODY}.vq.desc",
        f"{BODY}.virtio.virtqueues",
        f"{MODERN}.vqs",
        f"{MMIO_STATE}.vqs",
    ),
    "virtio_queue_set_num, virtio_queue_set_rings: by the driver's start, or its restart of one queue",
    rule=MixedRule.RESTARTED_QUEUE,
    role=Role.RINGS,
)
RING_DEFAULT = Item(
    "ring_default",
    HOST,
    (f"{BODY}.virtio.ringsize",),
    "virtio_add_queue: the sizes of a new queue; sent where one has another size now",
    rule=MixedRule.FOLLOWS_RINGS,
)
QUEUE_ENABLED = Item(
    "queue_enabled",
    RESET,
    (f"{MODERN}.vqs.enabled", f"{MMIO_STATE}.vqs.enabled"),
    "virtio_pci_common_write and virtio_mmio_write: the driver's start, or its restart of one queue",
    rule=MixedRule.RESTARTED_QUEUE,
    role=Role.ENABLED,
)
VECTORS = Item(
    "vectors",
    VALUE,
    (f"{BODY}.vq.vector", f"{BODY}.transport.config_vector", f"{BODY}.transport.tmp"),
    "virtio_queue_set_vector, config_vector: by the driver's set-up of interrupts",
    role=Role.VECTORS,
)
MSIX = Item(
    "msix",
    VALUE,
    (f"{BODY}.transport.msix_table",),
    "msix_table_mmio_write: affinity and masking of interrupts",
)
PCI_CONFIG = Item(
    "pci_config",
    VALUE,
    (f"{BODY}.transport.pci_dev.conventional_config", f"{BODY}.transport.pci_dev.express_config"),
    "pci_default_write_config: command, BARs, interrupt line, MSI-X control",
)
TRANSPORT = Item(
    "transport",
    VALUE,
    (f"{BODY}.transport", f"{BODY}.virtio.extra_state"),
    "virtio-mmio: page size of a legacy driver; virtio-ccw: subchannel, indicators, routes; the marks around the rest",
    role=Role.REST,
)
ISR = Item("isr", ALWAYS, (f"{BODY}.isr",), "virtio_notify and the driver's read, with every interrupt")
SELECTORS = Item(
    "selectors",
    ALWAYS,
    (
        f"{BODY}.queue_sel",
        f"{MODERN}.dfselect",
        f"{MODERN}.gfselect",
        f"{BODY}.transport.host_features_sel",
        f"{BODY}.transport.guest_features_sel",
    ),
    "the registers with which a driver says which queue or which word of features it means",
)
IRQ_STATE = Item("irq_state", ALWAYS, (f"{BODY}.transport.pci_dev.irq_state",), "pci_set_irq: the levels of INTx")
PBA = Item("pba", ALWAYS, (f"{BODY}.transport.msix_pba",), "msix_notify: vectors that are pending while masked")
QUEUE_INDICES = Item(
    "queue_indices",
    ALWAYS,
    (f"{BODY}.vq.last_avail_idx", f"{BODY}.virtio.packed_virtqueues"),
    "virtqueue_pop: traffic; while vhost runs, what QEMU holds is older than the ring",
    role=Role.INDICES,
)


def _identity(state: Any) -> str | None:
    """The read-only words of a PCI configuration space: ids, revision and class, subsystem ids."""
    pci = getattr(state.virtio.transport, "pci_dev", None)
    return None if pci is None else " ".join(pci.config[at : at + 4].hex() for at in (0, 8, 0x2C))


def _default_sizes(state: Any) -> tuple[int, ...] | None:
    """The sizes that a reset brings back, where they are sent. Where not, no other value tells them for certain."""
    sizes = state.virtio.virtio.ringsize
    if sizes is None:
        return None
    return tuple(sizes.vq[number].num_default for number in range(len(state.virtio.vq)))


def _offers(state: Any) -> str:
    """The subsections whose presence is a matter of the transport and of the features that the host offers."""
    virtio = state.virtio.virtio
    extra = None if virtio.extra_state is None else virtio.extra_state.extra_state
    registers = getattr(extra, "modern_state", None) or getattr(extra, "state", None)
    offered = {
        "128bit_features": virtio.features128,
        "64bit_features": virtio.features64,
        "virtqueues": virtio.virtqueues,
        "packed_virtqueues": virtio.packed_virtqueues,
        "extra_state": extra,
        "registers of a modern device": registers,
    }
    return ", ".join(name for name, part in offered.items() if part is not None) or "none"


CONSTANTS = (
    Constant("PCI identity", _identity),
    Constant("subsections of the transport and of offered features", _offers),
    Constant("default ring sizes", _default_sizes),
)

EVENTS = {
    "status_write": ("device_status", "flags"),
    "config_write": (),
    "queue_setup": ("ring_geometry", "ring_default", "queue_enabled", "queue_count", "flags"),
    "vector_setup": ("vectors",),
    "msix_write": ("msix",),
    "pci_config_write": ("pci_config",),
    "transport_write": ("transport",),
    "virtio_error": ("device_status", "flags"),
}
"""What the hooks of any virtio device report, and what that can change.

The bytes of the configuration space are not among it: a read makes QEMU write them anew, so they are always compared.
"""


def host_item(*paths: str, source: str) -> Item:
    """The row `host`: the number of bytes of configuration space, and what the device adds."""
    return Item("host", HOST, (f"{BODY}.config_len", *paths), source)


def items_of(host: Item, features: Item, own: Sequence[Item], behind: Sequence[Item]) -> tuple[Item, ...]:
    """The rows of a device in the order of application: checks, its own, queues and interrupts, then the small ones."""
    return (
        host,
        features,
        DEVICE_ENDIAN,
        DEVICE_STATUS,
        *own,
        CONFIG,
        FLAGS,
        QUEUE_COUNT,
        RING_GEOMETRY,
        RING_DEFAULT,
        QUEUE_ENABLED,
        VECTORS,
        MSIX,
        PCI_CONFIG,
        TRANSPORT,
        ISR,
        SELECTORS,
        IRQ_STATE,
        PBA,
        QUEUE_INDICES,
        *behind,
    )


def rings_of(body: Any) -> tuple[Ring, ...]:
    """The queues of a device's legacy body, with what its subsections add."""
    virtio = body.virtio
    rings = None if virtio.virtqueues is None else virtio.virtqueues.vq
    packed = None if virtio.packed_virtqueues is None else virtio.packed_virtqueues.vq
    is_packed = bool(features_of(body) >> RING_PACKED & 1) and packed is not None
    registers = _registers(virtio)
    queue_rings = []
    for number, queue in enumerate(body.vq):
        place = None if rings is None else rings[number]
        base = _packed_base(packed[number]) if is_packed and packed is not None else queue.last_avail_idx
        enabled = queue.desc != 0 if registers is None else registers[number].enabled
        avail, used = (0, 0) if place is None else (place.avail, place.used)
        queue_rings.append(Ring(queue.num, queue.desc, avail, used, base, enabled))
    return tuple(queue_rings)


def _packed_base(queue: Any) -> int:
    """Both indices of a packed ring with their wrap counters, as vhost has them."""
    avail = queue.last_avail_idx | queue.last_avail_wrap_counter << 15
    used = queue.used_idx | queue.used_wrap_counter << 15
    return int(avail | used << 16)


def _registers(virtio: Any) -> Any:
    """The queues as a modern driver sees them; None for a legacy one, and on the channel bus, which has none."""
    if virtio.extra_state is None or virtio.features64 is None or not virtio.features64.guest_features >> 32 & 1:
        return None
    extra = virtio.extra_state.extra_state
    state = getattr(extra, "modern_state", None) or getattr(extra, "state", None)
    return None if state is None else state.vqs


def layout_of(state: Any, data: Sequence[int] | None = None, **more: Any) -> RingLayout:
    """The layout of a virtio device; `data` are the queues that carry data, all of them where it is not given."""
    body = state.virtio
    rings = rings_of(body)
    features = features_of(body)
    return RingLayout(
        features=features,
        rings=rings,
        data=tuple(range(len(rings))) if data is None else tuple(data),
        driver_ok=bool(body.status & DeviceStatus.DRIVER_OK),
        broken=body.virtio.broken is not None and body.virtio.broken.broken,
        behind_iommu=bool(features >> ACCESS_PLATFORM & 1),
        can_reset_queues=bool(features >> RING_RESET & 1),
        packed=bool(features >> RING_PACKED & 1),
        **more,
    )


def of_device(record: VirtIORecord, items: ItemTable | tuple[Item, ...] | None) -> ItemTable | None:
    """The items of a device: a table of its own; or those of every virtio device, and rows of its own among them."""
    if isinstance(items, ItemTable) or record.host is None:
        return items if isinstance(items, ItemTable) else None
    first = tuple(item for item in items or () if item.cls is not ALWAYS)
    last = tuple(item for item in items or () if item.cls is ALWAYS)
    rows = items_of(host_item(source=record.host), GUEST_FEATURES, first, last)
    return ItemTable(record.idstrs[0], rows, layout_of, CONSTANTS, EVENTS, set_by_load=SET_BY_LOAD)
