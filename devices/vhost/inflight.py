"""The region in which a vhost-user back end keeps account of the requests that it has taken and not done.

vhost-user-blk sends it, with `inflight-migration` on and the protocol feature GET_VRING_BASE_INFLIGHT agreed on: its
back end then leaves requests undone when it is stopped. The layout of the bytes is the back end's.

Facts from QEMU's hw/virtio/vhost.c (vmstate_vhost_inflight_region), where it is since February 2026. A recorded stream
of 11.1 has it.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, subsection, uint16, uint64, up, vbuffer


@description("vhost-inflight-region/buffer")
class VhostInflightBuffer(VMState):
    """The bytes of the region."""

    addr: bytes = vbuffer(up.size)


@description("vhost-inflight-region")
class VhostInflightRegion(VMState):
    """The region: its size in bytes, and the size of the queues it is for. QEMU does not load it without the buffer."""

    size: int = uint64(doc="bytes")
    queue_size: int = uint16(doc="descriptors of each queue")
    buffer: VhostInflightBuffer | None = subsection(VhostInflightBuffer)
