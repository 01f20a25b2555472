"""What virtio devices hold against their own when they load.

Facts from QEMU's hw/virtio/virtio.c (virtio_load), hw/net/virtio-net.c, hw/char/virtio-serial-bus.c,
hw/virtio/virtio-mem.c, and from what QEMU 5.2, 7.2, 10.0 and 11.1 answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.devices.virtio.transport import TRANSPORT
from vmstate.vmsd.destination import EQUAL, IF_SET, NEVER, NOT_ABOVE, DestinationRule, DestinationRules, FeatureSet
from vmstate.vmsd.record import Feature, VirtIORecord
from vmstate.vmsd.release import Release

WORDS = (
    ("virtio.guest_features", 0, 32),
    ("virtio.virtio.features64.guest_features", 0, 64),
    ("virtio.virtio.features128.guest_features", 64, 64),
)

SHOWN_BY = {32: "virtio.virtio.virtqueues", 34: "virtio.virtio.packed_virtqueues"}

SUBSECTIONS_SINCE = {"virtio/128bit_features": Release(10, 2)}


def features(table: Sequence[Feature]) -> FeatureSet:
    """The features of a device, those of the transport among them."""
    known: dict[int, Feature] = {}
    for feature in (*TRANSPORT, *table):
        if feature.since is not None:
            known.setdefault(feature.bit, feature)
    names = {bit: feature.symbol for bit, feature in known.items()}
    properties = {bit: name for bit, feature in known.items() if (name := feature.offered_by) is not None}
    return FeatureSet(WORDS, names, properties, SHOWN_BY)


QUEUE_SIZE = DestinationRule(
    "virtio-queue-size",
    "virtio.vq[*].num",
    NOT_ABOVE,
    "queue {index} has {here} entries, and the destination's has room for {there}",
    "VQ {index} vring.num {here} exceeds allocated max {there}",
    "give the device of the destination queues of that size (queue-size, rx_queue_size, tx_queue_size); "
    "a source that no driver has set up yet is cured by letting its guest start first",
    since=Release(11, 1),
)
"""A source of 10.0 says 1024 of a queue that no driver has set up."""


def of_device(record: VirtIORecord, more: tuple[DestinationRule, ...] | None) -> DestinationRules:
    """What a device compares: what all do, and `more`."""
    return DestinationRules((QUEUE_SIZE, *(more or ())), features(record.features), SUBSECTIONS_SINCE, record.accidents)


NET = (
    DestinationRule(
        "virtio-net-vnet-hdr",
        "virtio.net.has_vnet_hdr.has_vnet_hdr",
        IF_SET,
        "the source's back end has virtio-net headers (vnet_hdr), the destination's has not",
        "virtio-net: saved image requires vnet_hdr=on",
        "give the destination a back end with vnet_hdr, as a tap device has, or the source one without",
    ),
    DestinationRule(
        "virtio-net-ufo",
        "virtio.net.has_ufo.has_ufo",
        IF_SET,
        "the source's back end takes UDP fragmentation (UFO), the destination's does not",
        "virtio-net: saved image requires TUN_F_UFO support",
        "the kernels of the two hosts differ here: set host_ufo=off,guest_ufo=off on the source's device",
    ),
)
SERIAL = (
    DestinationRule(
        "virtio-serial-max-ports",
        "virtio.ports_map",
        EQUAL,
        "the ports that are there differ: the map of the source is {here}, that of the destination {there}",
        None,
        "give both devices the same ports (nr=, in the same order) and the same max_ports",
    ),
)
BALLOON = (
    DestinationRule(
        "virtio-balloon-page-poison",
        "virtio.misnamed_page_poison",
        NEVER,
        "the source is 5.1 or 5.2, which misspells the subsection of the page poison; no release finds it",
        "Missing section footer for {section}",
        "start the source with page-poison=off on the balloon",
    ),
)


def sanity(attribute: str, name: str, what: str, form: str) -> tuple[DestinationRule, ...]:
    """A member of virtio-mem's own checks, in the device's section or in the one that goes ahead."""
    return tuple(
        DestinationRule(
            f"virtio-mem-{name}",
            f"{where}tmp.{attribute}",
            EQUAL,
            f"the {what} is {{here{form}}} in the stream and {{there{form}}} on the destination",
            f"Property '{name}'{' size' if name == 'memdev' else ''} changed from {{here{form}}} to {{there{form}}}",
            f"give both devices the same {what} ({name}=)",
        )
        for where in ("virtio.mem.", "")
    )


MEM = (
    *sanity("addr", "memaddr", "address", ":#x"),
    *sanity("region_size", "memdev", "size of the memory backend", ":#x"),
    *sanity("block_size", "block-size", "block size", ":#x"),
    *sanity("node", "node", "NUMA node", ""),
)
MEM_EARLY = DestinationRules(MEM)
