"""vhost-vsock: sockets between host and guest, served by the host's kernel.

There is no state of its own: after loading, the destination tells the driver by an event that all connections are gone
(transport reset), for which the driver must have left a buffer in the event queue. Facts from QEMU's
hw/virtio/vhost-vsock.c, hw/virtio/vhost-vsock-common.c and hw/virtio/vhost-user-vsock.c.
"""

from __future__ import annotations

from vmstate.declare import Feature, VMState, description, device, info, uint64_device, virtio_device
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIOBody
from vmstate.devices.virtio.transport import VHOST

FEATURES = (
    Feature(1, "VIRTIO_VSOCK_F_SEQPACKET"),
    *VHOST,
)

EVENT_QUEUE = 2
"""The queue of the event; QEMU itself serves it, the kernel the two before."""


@description("virtio-vsock config")
class VirtIOVSockConfig(VMState):
    """The configuration space."""

    guest_cid: int = uint64_device(doc="the guest's address")


@virtio_device(
    "virtio-vhost_vsock", models="vmstate.devices.virtio.models:VSOCK", id=19, qmp_name="vhost-vsock", features=FEATURES
)
@description("virtio-vhost_vsock", version_id=0, minimum_version_id=0)
class VHostVSock(VMState):
    """A vhost-vsock device on any transport."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIOVSockConfig)


@device("vhost-user-vsock")
@description("vhost-user-vsock", unmigratable=True)
class VHostUserVSock(VMState):
    """vhost-user-vsock, served by a process beside QEMU: it cannot be migrated and is never in a stream."""
