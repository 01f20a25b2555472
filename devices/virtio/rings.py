"""Where the rings of a queue stand. Facts from QEMU's hw/virtio/virtio.c."""

from __future__ import annotations

RING_PACKED = 34
"""The feature bit of packed rings."""

VRING_ALIGN = 4096
"""VIRTIO_PCI_VRING_ALIGN: the alignment of a legacy device's rings, where the driver cannot choose it."""


def legacy_rings(num: int, desc: int, align: int) -> tuple[int, int]:
    """Where the driver area and the device area of a legacy queue begin; 0 and 0 for a queue that is not set up.

    The one stands right behind the descriptors, 16 bytes each; the other at the next multiple of the alignment behind
    that. From virtio_queue_update_rings.
    """
    if not num or not desc or not align:
        return 0, 0
    avail = desc + 16 * num
    return avail, -(-(avail + 4 + 2 * num) // align) * align
