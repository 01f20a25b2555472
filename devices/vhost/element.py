"""An element of a queue that a device has taken and not given back.

QEMU writes a structure as it lies in the memory of the host, in the layout of a 64-bit host. Facts from QEMU's
hw/virtio/virtio.c (qemu_put_virtqueue_element) and include/hw/virtio/virtio.h.
"""

from __future__ import annotations

from vmstate.description.declare import array, description, uint32, uint32_host, uint64_host, unused
from vmstate.description.expr import fact

QUEUE_MAX_SIZE = 1024
"""VIRTQUEUE_MAX_SIZE: as many buffers have a place, whatever the element has."""

PACKED_OFFERED = fact("virtio_packed_offered")
"""Whether the host offers RING_PACKED."""


@description("iovec")
class IOVec:
    """A buffer: its address in QEMU, which is not sent, and its bytes."""

    base: int = uint64_host()
    length: int = uint64_host()


@description("virtqueue element")
class VirtQueueElement:
    """The element: its head, its buffers by their addresses in the guest, those the device reads (out) and writes."""

    ndescs: int | None = uint32(exists=PACKED_OFFERED)
    index: int = uint32_host()
    out_num: int = uint32_host()
    in_num: int = uint32_host()
    unused_0: None = unused(4)
    in_addr: list[int] = array(uint64_host, QUEUE_MAX_SIZE)
    out_addr: list[int] = array(uint64_host, QUEUE_MAX_SIZE)
    in_sg: list[IOVec] = array(IOVec, QUEUE_MAX_SIZE)
    out_sg: list[IOVec] = array(IOVec, QUEUE_MAX_SIZE)
