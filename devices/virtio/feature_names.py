"""The features of virtio as QMP spells them, and since which release of QEMU it does.

The order is that of QEMU's tables, of which an answer is the reverse. A name is QMP's, also where that is not the one
of the VIRTIO specification. Facts from QEMU's hw/virtio/virtio-qmp.c of several releases and the answers of 7.2, 10.0
and 11.1; bits from include/standard-headers/linux/virtio_*.h and include/hw/virtio/vhost*.h.
"""

from __future__ import annotations

from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.release import Release


class FeatureName(NamedTuple):
    """What QMP calls a feature bit, and the first release that does; 7.2 is the first that has any of these tables."""

    bit: int
    symbol: str
    since: Release = Release(7, 2)


VHOST = (
    FeatureName(26, "VHOST_F_LOG_ALL"),
    FeatureName(30, "VHOST_USER_F_PROTOCOL_FEATURES"),
)
"""Bits that only a back end offers."""

TRANSPORT = (
    FeatureName(24, "VIRTIO_F_NOTIFY_ON_EMPTY"),
    FeatureName(27, "VIRTIO_F_ANY_LAYOUT"),
    FeatureName(32, "VIRTIO_F_VERSION_1"),
    FeatureName(33, "VIRTIO_F_IOMMU_PLATFORM"),
    FeatureName(34, "VIRTIO_F_RING_PACKED"),
    FeatureName(35, "VIRTIO_F_IN_ORDER"),
    FeatureName(36, "VIRTIO_F_ORDER_PLATFORM"),
    FeatureName(37, "VIRTIO_F_SR_IOV"),
    FeatureName(40, "VIRTIO_F_RING_RESET", Release(8, 1)),
    FeatureName(28, "VIRTIO_RING_F_INDIRECT_DESC"),
    FeatureName(29, "VIRTIO_RING_F_EVENT_IDX"),
)

BLK = (
    FeatureName(1, "VIRTIO_BLK_F_SIZE_MAX"),
    FeatureName(2, "VIRTIO_BLK_F_SEG_MAX"),
    FeatureName(4, "VIRTIO_BLK_F_GEOMETRY"),
    FeatureName(5, "VIRTIO_BLK_F_RO"),
    FeatureName(6, "VIRTIO_BLK_F_BLK_SIZE"),
    FeatureName(10, "VIRTIO_BLK_F_TOPOLOGY"),
    FeatureName(12, "VIRTIO_BLK_F_MQ"),
    FeatureName(13, "VIRTIO_BLK_F_DISCARD"),
    FeatureName(14, "VIRTIO_BLK_F_WRITE_ZEROES"),
    FeatureName(16, "VIRTIO_BLK_F_SECURE_ERASE", Release(8, 2)),
    FeatureName(17, "VIRTIO_BLK_F_ZONED", Release(8, 1)),
    FeatureName(0, "VIRTIO_BLK_F_BARRIER"),
    FeatureName(7, "VIRTIO_BLK_F_SCSI"),
    FeatureName(9, "VIRTIO_BLK_F_FLUSH"),
    FeatureName(11, "VIRTIO_BLK_F_CONFIG_WCE"),
    *VHOST,
)

SERIAL = (
    FeatureName(0, "VIRTIO_CONSOLE_F_SIZE"),
    FeatureName(1, "VIRTIO_CONSOLE_F_MULTIPORT"),
    FeatureName(2, "VIRTIO_CONSOLE_F_EMERG_WRITE"),
)

GPU = (
    FeatureName(0, "VIRTIO_GPU_F_VIRGL"),
    FeatureName(1, "VIRTIO_GPU_F_EDID"),
    FeatureName(2, "VIRTIO_GPU_F_RESOURCE_UUID"),
    FeatureName(3, "VIRTIO_GPU_F_RESOURCE_BLOB"),
    FeatureName(4, "VIRTIO_GPU_F_CONTEXT_INIT"),
    *VHOST,
)

NET = (
    FeatureName(0, "VIRTIO_NET_F_CSUM"),
    FeatureName(1, "VIRTIO_NET_F_GUEST_CSUM"),
    FeatureName(2, "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS"),
    FeatureName(3, "VIRTIO_NET_F_MTU"),
    FeatureName(5, "VIRTIO_NET_F_MAC"),
    FeatureName(7, "VIRTIO_NET_F_GUEST_TSO4"),
    FeatureName(8, "VIRTIO_NET_F_GUEST_TSO6"),
    FeatureName(9, "VIRTIO_NET_F_GUEST_ECN"),
    FeatureName(10, "VIRTIO_NET_F_GUEST_UFO"),
    FeatureName(11, "VIRTIO_NET_F_HOST_TSO4"),
    FeatureName(12, "VIRTIO_NET_F_HOST_TSO6"),
    FeatureName(13, "VIRTIO_NET_F_HOST_ECN"),
    FeatureName(14, "VIRTIO_NET_F_HOST_UFO"),
    FeatureName(15, "VIRTIO_NET_F_MRG_RXBUF"),
    FeatureName(16, "VIRTIO_NET_F_STATUS"),
    FeatureName(17, "VIRTIO_NET_F_CTRL_VQ"),
    FeatureName(18, "VIRTIO_NET_F_CTRL_RX"),
    FeatureName(19, "VIRTIO_NET_F_CTRL_VLAN"),
    FeatureName(20, "VIRTIO_NET_F_CTRL_RX_EXTRA"),
    FeatureName(21, "VIRTIO_NET_F_GUEST_ANNOUNCE"),
    FeatureName(22, "VIRTIO_NET_F_MQ"),
    FeatureName(23, "VIRTIO_NET_F_CTRL_MAC_ADDR"),
    FeatureName(53, "VIRTIO_NET_F_NOTF_COAL", Release(8, 2)),
    FeatureName(54, "VIRTIO_NET_F_GUEST_USO4", Release(8, 2)),
    # Up to 10.1 QEMU says GUEST_USO4 here too, but for stable releases of late 2025.
    FeatureName(55, "VIRTIO_NET_F_GUEST_USO6", Release(8, 2)),
    FeatureName(56, "VIRTIO_NET_F_HOST_USO", Release(8, 2)),
    FeatureName(57, "VIRTIO_NET_F_HASH_REPORT"),
    FeatureName(60, "VIRTIO_NET_F_RSS"),
    FeatureName(61, "VIRTIO_NET_F_RSC_EXT"),
    FeatureName(62, "VIRTIO_NET_F_STANDBY"),
    FeatureName(63, "VIRTIO_NET_F_SPEED_DUPLEX"),
    FeatureName(6, "VIRTIO_NET_F_GSO"),
    FeatureName(27, "VHOST_NET_F_VIRTIO_NET_HDR"),
    *VHOST,
    FeatureName(65, "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO", Release(10, 2)),
    # QMP has one name for both bits.
    FeatureName(66, "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO", Release(10, 2)),
    FeatureName(67, "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO", Release(10, 2)),
    FeatureName(68, "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM", Release(10, 2)),
)

SCSI = (
    FeatureName(0, "VIRTIO_SCSI_F_INOUT"),
    FeatureName(1, "VIRTIO_SCSI_F_HOTPLUG"),
    FeatureName(2, "VIRTIO_SCSI_F_CHANGE"),
    FeatureName(3, "VIRTIO_SCSI_F_T10_PI"),
    *VHOST,
)

VSOCK = (FeatureName(1, "VIRTIO_VSOCK_F_SEQPACKET"), *VHOST)

BALLOON = (
    FeatureName(0, "VIRTIO_BALLOON_F_MUST_TELL_HOST"),
    FeatureName(1, "VIRTIO_BALLOON_F_STATS_VQ"),
    FeatureName(2, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM"),
    FeatureName(3, "VIRTIO_BALLOON_F_FREE_PAGE_HINT"),
    FeatureName(4, "VIRTIO_BALLOON_F_PAGE_POISON"),
    FeatureName(5, "VIRTIO_BALLOON_F_REPORTING"),
)

IOMMU = (
    FeatureName(0, "VIRTIO_IOMMU_F_INPUT_RANGE"),
    FeatureName(1, "VIRTIO_IOMMU_F_DOMAIN_RANGE"),
    FeatureName(2, "VIRTIO_IOMMU_F_MAP_UNMAP"),
    FeatureName(3, "VIRTIO_IOMMU_F_BYPASS"),
    FeatureName(4, "VIRTIO_IOMMU_F_PROBE"),
    FeatureName(5, "VIRTIO_IOMMU_F_MMIO"),
    FeatureName(6, "VIRTIO_IOMMU_F_BYPASS_CONFIG"),
)

MEM = (
    # Before 11.1 only a QEMU built without ACPI has it.
    FeatureName(0, "VIRTIO_MEM_F_ACPI_PXM", Release(11, 1)),
    FeatureName(1, "VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE"),
    FeatureName(2, "VIRTIO_MEM_F_PERSISTENT_SUSPND", Release(9, 2)),
)
