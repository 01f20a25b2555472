"""The features that virtio devices of every kind can have.

Tables of features, here and beside the devices, are in the order of QEMU's tables, of which an answer of QMP is the
reverse. Facts from the VIRTIO specification (version 1.3), from QEMU's hw/virtio/virtio-qmp.c of several releases and
the answers of 7.2, 10.0 and 11.1, from include/standard-headers/linux/virtio_*.h and include/hw/virtio/vhost*.h, and
from the property tables of the devices.
"""

from __future__ import annotations

from vmstate.declare import Feature, Release

TRANSPORT = (
    Feature(24, "VIRTIO_F_NOTIFY_ON_EMPTY"),
    Feature(27, "VIRTIO_F_ANY_LAYOUT"),
    Feature(32, "VIRTIO_F_VERSION_1", property=None),
    Feature(33, "VIRTIO_F_ACCESS_PLATFORM", property="iommu_platform", qmp="VIRTIO_F_IOMMU_PLATFORM"),
    Feature(34, "VIRTIO_F_RING_PACKED", property="packed"),
    Feature(35, "VIRTIO_F_IN_ORDER"),
    Feature(36, "VIRTIO_F_ORDER_PLATFORM"),
    Feature(37, "VIRTIO_F_SR_IOV"),
    Feature(40, "VIRTIO_F_RING_RESET", Release(8, 1), property="queue_reset"),
    Feature(28, "VIRTIO_RING_F_INDIRECT_DESC"),
    Feature(29, "VIRTIO_RING_F_EVENT_IDX"),
    Feature(38, "VIRTIO_F_NOTIFICATION_DATA", None),
    Feature(39, "VIRTIO_F_NOTIF_CONFIG_DATA", None),
    Feature(41, "VIRTIO_F_ADMIN_VQ", None),
)

VHOST = (
    Feature(26, "VHOST_F_LOG_ALL", property=None, driver=False),
    Feature(30, "VHOST_USER_F_PROTOCOL_FEATURES", property=None, driver=False),
)
"""Bits that only a back end offers."""
