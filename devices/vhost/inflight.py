"""The region in which a vhost-user back end keeps account of the requests that it has not done.

Facts from QEMU's hw/virtio/vhost.c.
"""

from __future__ import annotations

from vmstate.description.declare import description, subsection, uint16, uint64, vbuffer
from vmstate.description.expr import up


@description("vhost-inflight-region/buffer")
class VhostInflightBuffer:
    """The bytes of the region."""

    addr: bytes = vbuffer(up.size)


@description("vhost-inflight-region")
class VhostInflightRegion:
    """The region: its size in bytes, and the size of the queues it is for."""

    size: int = uint64()
    queue_size: int = uint16()
    buffer: VhostInflightBuffer | None = subsection(VhostInflightBuffer)
