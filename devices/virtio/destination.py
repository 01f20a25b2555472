"""What virtio devices hold against their own when they load.

Facts from QEMU's hw/virtio/virtio.c (virtio_load), hw/net/virtio-net.c, hw/char/virtio-serial-bus.c,
hw/virtio/virtio-mem.c and the property tables of these devices, and from what QEMU 5.2, 7.2, 10.0 and 11.1 answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.devices.virtio import feature_names
from vmstate.devices.virtio.feature_names import FeatureName
from vmstate.vmsd.destination import EQUAL, IF_SET, NEVER, NOT_ABOVE, DestinationRule, DestinationRules, FeatureSet
from vmstate.vmsd.release import Release

WORDS = (
    ("virtio.guest_features", 0, 32),
    ("virtio.virtio.features64.guest_features", 0, 64),
    ("virtio.virtio.features128.guest_features", 64, 64),
)

SHOWN_BY = {32: "virtio.virtio.virtqueues", 34: "virtio.virtio.packed_virtqueues"}

SUBSECTIONS_SINCE = {"virtio/128bit_features": Release(10, 2)}

PROPERTIES = {
    "VIRTIO_BALLOON_F_DEFLATE_ON_OOM": "deflate-on-oom",
    "VIRTIO_BALLOON_F_FREE_PAGE_HINT": "free-page-hint",
    "VIRTIO_BALLOON_F_PAGE_POISON": "page-poison",
    "VIRTIO_BALLOON_F_REPORTING": "free-page-reporting",
    "VIRTIO_BLK_F_CONFIG_WCE": "config-wce",
    "VIRTIO_BLK_F_MQ": "num-queues",
    "VIRTIO_BLK_F_SCSI": "scsi",
    "VIRTIO_BLK_F_WRITE_ZEROES": "write-zeroes",
    "VIRTIO_CONSOLE_F_EMERG_WRITE": "emergency-write",
    "VIRTIO_F_IN_ORDER": "in_order",
    "VIRTIO_F_RING_PACKED": "packed",
    "VIRTIO_F_RING_RESET": "queue_reset",
    "VIRTIO_NET_F_HASH_REPORT": "hash",
    "VIRTIO_NET_F_MTU": "host_mtu",
    "VIRTIO_NET_F_RSC_EXT": "guest_rsc_ext",
    "VIRTIO_NET_F_SPEED_DUPLEX": "speed",
    "VIRTIO_NET_F_STANDBY": "failover",
    "VIRTIO_SCSI_F_CHANGE": "param_change",
}
"""Properties that are not called as the feature is."""

NO_PROPERTY = frozenset(
    {
        "VIRTIO_F_VERSION_1",
        "VIRTIO_NET_F_MAC",
        "VHOST_F_LOG_ALL",
        "VHOST_USER_F_PROTOCOL_FEATURES",
        "VHOST_NET_F_VIRTIO_NET_HDR",
        "VIRTIO_BALLOON_F_MUST_TELL_HOST",
        "VIRTIO_BALLOON_F_STATS_VQ",
        "VIRTIO_BLK_F_BLK_SIZE",
        "VIRTIO_BLK_F_FLUSH",
        "VIRTIO_BLK_F_GEOMETRY",
        "VIRTIO_BLK_F_RO",
        "VIRTIO_BLK_F_SEG_MAX",
        "VIRTIO_BLK_F_SIZE_MAX",
        "VIRTIO_BLK_F_TOPOLOGY",
        "VIRTIO_CONSOLE_F_SIZE",
    }
)
"""Features that no property of their own offers."""


def property_of(symbol: str) -> str | None:
    """The device property that offers a feature; None where there is none."""
    if symbol in NO_PROPERTY:
        return None
    return PROPERTIES.get(symbol, symbol.partition("_F_")[2].lower())


def features(names: Sequence[FeatureName]) -> FeatureSet:
    """The features of a device, those of the transport among them."""
    symbols: dict[int, str] = {}
    for name in (*feature_names.TRANSPORT, *names):
        symbols.setdefault(name.bit, name.symbol)
    properties = {bit: found for bit, symbol in symbols.items() if (found := property_of(symbol)) is not None}
    return FeatureSet(WORDS, symbols, properties, SHOWN_BY)


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


def virtio(names: Sequence[FeatureName], *rules: DestinationRule) -> DestinationRules:
    """What a device compares: what all do, and rules of its own."""
    return DestinationRules((QUEUE_SIZE, *rules), features(names), SUBSECTIONS_SINCE)


NET = virtio(
    feature_names.NET,
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
BLK = virtio(feature_names.BLK)
SERIAL = virtio(
    feature_names.SERIAL,
    DestinationRule(
        "virtio-serial-max-ports",
        "virtio.ports_map",
        EQUAL,
        "the ports that are there differ: the map of the source is {here}, that of the destination {there}",
        None,
        "give both devices the same ports (nr=, in the same order) and the same max_ports",
    ),
)
RNG = virtio(feature_names.VHOST)
BALLOON = virtio(
    feature_names.BALLOON,
    DestinationRule(
        "virtio-balloon-page-poison",
        "virtio.misnamed_page_poison",
        NEVER,
        "the source is 5.1 or 5.2, which misspells the subsection of the page poison; no release finds it",
        "Missing section footer for {section}",
        "start the source with page-poison=off on the balloon",
    ),
)
SCSI = virtio(feature_names.SCSI)
# For each display but the first QEMU decides by memory behind the device whether to send the frame buffer.
GPU = DestinationRules(
    (QUEUE_SIZE,), features(feature_names.GPU), SUBSECTIONS_SINCE, frozenset({"virtio_gpu_later_scanouts_fb"})
)
VSOCK = virtio(feature_names.VSOCK)
IOMMU = virtio(feature_names.IOMMU)
PLAIN = virtio(())


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


MEM = virtio(
    feature_names.MEM,
    *sanity("addr", "memaddr", "address", ":#x"),
    *sanity("region_size", "memdev", "size of the memory backend", ":#x"),
    *sanity("block_size", "block-size", "block size", ":#x"),
    *sanity("node", "node", "NUMA node", ""),
)
MEM_EARLY = DestinationRules(MEM.rules[1:])
