"""What every virtio device saves: the legacy body, and the `virtio` description behind the device's own.

QEMU writes it by hand-written put and get (virtio_save, virtio_load), so its own vmdesc shows one opaque field. Facts
from QEMU's hw/virtio/virtio.c. Integers are big-endian; the configuration space is in the byte order of the device.
"""

from __future__ import annotations

from typing import Any

from vmstate.declare import (
    IDSTR,
    MEMORY,
    OWN,
    Release,
    Rule,
    VMState,
    array,
    asks,
    begins,
    boolean,
    choose,
    chunks,
    description,
    fact,
    known_since,
    later,
    len_,
    not_,
    not_above,
    one_of,
    part,
    rule,
    struct,
    subsection,
    this,
    told,
    uint8,
    uint16,
    uint32,
    uint64,
    up,
    varray,
    vbuffer,
)
from vmstate.devices.virtio.config import accepted
from vmstate.devices.virtio.pci import NO_VECTOR, QUEUE_MAX, VirtIOPCIConfig, VirtIOPCIExtraState
from vmstate.devices.virtio.status import DeviceStatus

PCI = "pci"
MMIO = "mmio"
CCW = "ccw"

TRANSPORT = fact(
    "virtio_transport",
    (PCI, MMIO, CCW),
    derived=choose(
        begins(IDSTR, "hhhh:hh:hh.h"),
        PCI,
        choose(
            begins(IDSTR, "virtio-mmio@"),
            MMIO,
            choose(begins(IDSTR, "/hh.h.hhhh/") | begins(IDSTR, "hh.h.hhhh/"), CCW, None),
        ),
    ),
)
"""Which transport a device sits on; the idstr of its section tells, for it begins with the path of the device.

That is a PCI address, the name of the MMIO transport, or a device number of the channel subsystem: pcibus_get_dev_path,
virtio_mmio_bus_get_dev_path and virtual_css_bus_get_dev_path.
"""


def _makes_queues(idstr: str) -> bool:
    """Whether a device makes the source's queues first (pre_load_queues)."""
    return idstr.endswith("virtio-net")


@part(noise={"index": ("last_avail_idx",)}, provisional={"desc": 0, "last_avail_idx": 0})
@description("virtio queue")
class VirtQueue(VMState):
    """A queue in use, as far as a legacy device knows it: there `desc` also says where avail and used lie."""

    # A source of 10.0 says 1024 of a queue that no driver has set up.
    num: int = uint32(
        rules=(
            not_above(
                "virtio-queue-size",
                "num",
                "queue {index} has {value} entries, and the destination's has room for {local}",
                since=Release(11, 1),
                qemu_error="VQ {index} vring.num {value} exceeds allocated max {local}",
                advice="give the device of the destination queues of that size (queue-size, rx_queue_size, "
                "tx_queue_size); a source that no driver has set up yet is cured by letting its guest start first",
            ),
        )
    )
    align: int | None = uint32(exists=TRANSPORT == MMIO)
    desc: int = uint64(name="vring.desc")
    last_avail_idx: int = uint16(
        rules=(
            rule(
                "virtio-queue-address",
                not_((this.desc == 0) & (this.last_avail_idx != 0)),
                "a queue without an address has no index",
            ),
        )
    )
    vector: int | None = uint16(
        exists=choose(TRANSPORT == PCI, len_(up.transport.msix_table) > 0, TRANSPORT == CCW),
        rules=(
            rule(
                "virtio-pci-vector",
                not_(TRANSPORT == PCI) | (this.vector == NO_VECTOR) | (this.vector < len_(up.transport.msix_table)),
                "a queue's vector is one of the MSI-X table, or none",
            ),
        ),
    )


@part(provisional={"avail": 0, "used": 0})
@description("virtqueue_state", version_id=1, minimum_version_id=1)
class VirtQueueRings(VMState):
    """Where a queue's rings lie in guest memory, for devices that can be modern."""

    avail: int = uint64(name="vring.avail")
    used: int = uint64(name="vring.used")


@part(
    noise={"index": ("last_avail_idx", "last_avail_wrap_counter", "used_idx", "used_wrap_counter", "inuse")},
    provisional={
        "last_avail_idx": 0,
        "last_avail_wrap_counter": True,
        "used_idx": 0,
        "used_wrap_counter": True,
        "inuse": 0,
    },
)
@description("packed_virtqueue_state", version_id=1, minimum_version_id=1)
class PackedVirtQueue(VMState):
    """The indices of a packed queue, each with its wrap counter."""

    last_avail_idx: int = uint16()
    last_avail_wrap_counter: bool = boolean()
    used_idx: int = uint16()
    used_wrap_counter: bool = boolean()
    inuse: int = uint32()


@description("ringsize_state", version_id=1, minimum_version_id=1)
class RingSize(VMState):
    """The size of a queue that a reset brings back."""

    num_default: int = uint32(name="vring.num_default")


@description("virtio/device_endian", version_id=1, minimum_version_id=1)
class DeviceEndian(VMState):
    """The byte order of the device: 1 little, 2 big. Sent where it is not what the destination assumes."""

    device_endian: int = uint8()


@description(
    "virtio/128bit_features",
    version_id=1,
    minimum_version_id=1,
    rules=(known_since(Release(10, 2)),),
)
class Features128(VMState):
    """Features 64 to 127 that the driver accepted; sent where the host offers any."""

    guest_features: int = uint64(name="guest_features_ex[1]")


@description("virtio/64bit_features", version_id=1, minimum_version_id=1)
class Features64(VMState):
    """Features 0 to 63 that the driver accepted; sent where the host offers any above 31."""

    guest_features: int = uint64()


@description("virtio/virtqueues", version_id=1, minimum_version_id=1)
class VirtQueues(VMState):
    """The rings of all queues there could be; sent where the host offers VERSION_1."""

    vq: list[VirtQueueRings] = array(VirtQueueRings, QUEUE_MAX)


@description("virtio/ringsize", version_id=1, minimum_version_id=1)
class RingSizes(VMState):
    """The sizes of all queues there could be; sent where one was changed."""

    vq: list[RingSize] = array(RingSize, QUEUE_MAX)


@description("virtio/broken", version_id=1, minimum_version_id=1)
class Broken(VMState):
    """The device has met an error and waits for a reset."""

    broken: bool = boolean()


@description("virtio/extra_state", version_id=1, minimum_version_id=1)
class ExtraState(VMState):
    """What the transport saves behind the device."""

    extra_state: Any = one_of(
        TRANSPORT,
        {PCI: VirtIOPCIExtraState, MMIO: later("vmstate.devices.virtio.mmio:VirtIOMMIOExtraState")},
        info="virtqueue_extra_state",
    )


@description("virtio/started", version_id=1, minimum_version_id=1)
class Started(VMState):
    """The driver has started the device."""

    started: bool = boolean()


@description("virtio/packed_virtqueues", version_id=1, minimum_version_id=1)
class PackedVirtQueues(VMState):
    """The indices of all packed queues there could be; sent where the host offers RING_PACKED."""

    vq: list[PackedVirtQueue] = array(PackedVirtQueue, QUEUE_MAX)


@description("virtio/disabled", version_id=1, minimum_version_id=1, rules=(known_since(Release(5, 0)),))
class Disabled(VMState):
    """The device was switched off."""

    disabled: bool = boolean()


@part(provisional={"features128": None, "ringsize": None, "broken": None, "started": None, "disabled": None})
@description("virtio", version_id=1, minimum_version_id=1)
class VirtIO(VMState):
    """What was added to the legacy body: nothing but subsections."""

    device_endian: DeviceEndian | None = subsection(DeviceEndian)
    features128: Features128 | None = subsection(Features128)
    features64: Features64 | None = subsection(Features64)
    virtqueues: VirtQueues | None = subsection(VirtQueues)
    ringsize: RingSizes | None = subsection(RingSizes)
    broken: Broken | None = subsection(Broken)
    extra_state: ExtraState | None = subsection(ExtraState)
    started: Started | None = subsection(Started)
    packed_virtqueues: PackedVirtQueues | None = subsection(PackedVirtQueues)
    disabled: Disabled | None = subsection(Disabled)


HOST_FEATURES = told("virtio_host_features")
"""The features that the destination offers, as a number."""


def _offered(virtio: VirtIO, guest_features: int, offered: int) -> bool:
    return not accepted(virtio, guest_features) & ~offered


def _rings_agree(virtio: VirtIO, guest_features: int, vq: Any, transport: Any, memory: Any) -> bool:
    # Few need it.
    from vmstate.devices.virtio.queue import rings_agree

    return rings_agree(virtio, guest_features, vq, transport, memory)


def _have_entries(virtio: VirtIO, low: int, vq: Any) -> bool:
    return not accepted(virtio, low) >> 32 & 1 or all(q.num or not q.desc for q in vq)


def virtio_state(**options: Any) -> Any:
    """The field `virtio` of a body: the subsections, and what QEMU checks of the whole body once it has read them."""
    return struct(
        VirtIO,
        rules=(
            rule(
                "virtio-features",
                asks(_offered, this.virtio, this.guest_features, HOST_FEATURES),
                "the driver has accepted no feature that the destination does not offer",
            ),
            rule(
                "virtio-queue-entries",
                asks(_have_entries, this.virtio, this.guest_features, this.vq),
                "a queue with an address has entries",
                qemu_error="Assertion `len > 0' failed",
            ),
            rule(
                "virtio-queue-inuse",
                asks(_rings_agree, this.virtio, this.guest_features, this.vq, this.transport, MEMORY),
                "no more buffers of a queue are in use than it has",
            ),
        ),
        **options,
    )


def _have_room(idstr: str, vq: Any, own: Any) -> bool:
    from vmstate.devices.virtio.queue import net_queues_have_room

    return not _makes_queues(idstr) or net_queues_have_room(vq, own)


@description("virtio legacy body")
class VirtIODevice(VMState):
    """The beginning of every virtio device; its own class goes on."""

    transport: Any = one_of(
        TRANSPORT,
        {
            PCI: VirtIOPCIConfig,
            MMIO: later("vmstate.devices.virtio.mmio:VirtIOMMIOConfig"),
            CCW: later("vmstate.devices.virtio.ccw:VirtioCcwDevice"),
        },
    )
    status: DeviceStatus = uint8(value=DeviceStatus)
    isr: int = uint8()
    queue_sel: int = uint16(
        rules=(rule("virtio-queue-sel", this.queue_sel < QUEUE_MAX, f"the queue selected is below {QUEUE_MAX}"),)
    )
    guest_features: int = uint32()
    config_len: int = uint32()
    config: bytes = vbuffer(this.config_len)
    num_queues: int = uint32(
        rules=(
            rule("virtio-queues", this.num_queues <= QUEUE_MAX, f"there are at most {QUEUE_MAX} queues"),
            Rule(
                "virtio-queues-made",
                asks(_makes_queues, IDSTR) | (this.num_queues <= OWN.num_queues),
                "the source has {value} queues, and the destination's device {local}",
                since=Release(11, 1),
                advice="give both sides the same number of queues (num-queues, queues, max_ports)",
                value=this.num_queues,
                local=OWN.num_queues,
            ),
        )
    )
    vq: list[VirtQueue] = varray(
        VirtQueue,
        count=this.num_queues,
        rules=(
            rule(
                "virtio-net-queues",
                asks(_have_room, IDSTR, this.vq, OWN.vq),
                "virtio-net has room in the queues that it makes",
                since=Release(11, 1),
            ),
        ),
    )


def set_features(body: Any, features: int) -> None:
    """Accept features: the low word of the body, and the subsections that say the rest where it needs them."""
    virtio: VirtIO = body.virtio
    low, high = int(features) & (1 << 64) - 1, int(features) >> 64
    body.guest_features = low & 0xFFFFFFFF
    if low >> 32 or virtio.features64 is not None:
        virtio.features64 = Features64(guest_features=low)
    if high or virtio.features128 is not None:
        virtio.features128 = Features128(guest_features=high)


@description("virtio body")
class VirtIOBody(VirtIODevice):
    """Everything a device saves that has nothing of its own."""

    virtio: VirtIO = virtio_state()


@description("vhost-user back-end state")
class BackendState(VMState):
    """What a vhost-user back end gave as its own state, in the pieces it came in."""

    pieces: list[bytes] = chunks()
