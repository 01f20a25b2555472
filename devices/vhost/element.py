"""An element of a queue that a device has taken and not given back, as a stream has it.

QEMU writes a structure of 49,168 bytes as it lies in the memory of a 64-bit host, so in the host's byte order. It has
places for 1024 buffers of either kind, whatever the element has; the places behind its buffers are zero. Devices nest
it: the requests of virtio-blk and virtio-scsi, the ports of virtio-serial.

Facts from QEMU's hw/virtio/virtio.c (VirtQueueElementOld, qemu_put_virtqueue_element), include/hw/virtio/virtio.h
(VIRTQUEUE_MAX_SIZE), and an element that QEMU 7.2 wrote.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, fact, rule, this, uint32, uint32_host, uint64_host, unused

VIRTQUEUE_MAX_SIZE = 1024
"""The buffers of either kind that there is a place for."""

PACKED_OFFERED = fact("virtio_packed_offered", proven=True)
"""Whether the host offers RING_PACKED: then `ndescs` is sent, though the driver may have a split ring."""


@description("iovec")
class IOVec(VMState):
    """A buffer in QEMU's memory. Its address is that of another process, so it is written as 0 and never read."""

    iov_base: None = unused(8)
    iov_len: int = uint64_host(doc="bytes")


@description("virtqueue element")
class VirtQueueElement(VMState):
    """The element: its head, and its buffers by their addresses in the guest; `out` is what the device reads.

    QEMU writes `ndescs` in front of the structure, and until 10.2 at least reads it behind: what it wrote with
    RING_PACKED offered it cannot load.
    """

    ndescs: int | None = uint32(exists=PACKED_OFFERED, doc="descriptors of the packed ring that the element takes")
    index: int = uint32_host(doc="the head of the chain in the ring")
    out_num: int = uint32_host(
        rules=(
            rule(
                "virtqueue-element-out",
                this.out_num <= VIRTQUEUE_MAX_SIZE,
                f"an element has at most {VIRTQUEUE_MAX_SIZE} buffers that the device reads",
            ),
        )
    )
    in_num: int = uint32_host(
        rules=(
            rule(
                "virtqueue-element-in",
                this.in_num <= VIRTQUEUE_MAX_SIZE,
                f"an element has at most {VIRTQUEUE_MAX_SIZE} buffers that the device writes",
            ),
        )
    )
    unused_0: None = unused(4)
    in_addr: list[int] = array(uint64_host, VIRTQUEUE_MAX_SIZE)
    out_addr: list[int] = array(uint64_host, VIRTQUEUE_MAX_SIZE)
    in_sg: list[IOVec] = array(IOVec, VIRTQUEUE_MAX_SIZE)
    out_sg: list[IOVec] = array(IOVec, VIRTQUEUE_MAX_SIZE)
