"""vhost-user-fs: a directory of the host, served by a process beside QEMU that gives its own state.

Facts from QEMU's hw/virtio/vhost-user-fs.c. Before release 9.0 the device could not be migrated.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    info,
    known_since,
    subsection,
    text,
    uint32_device,
    virtio_device,
)
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import BackendState, VirtIOBody
from vmstate.devices.virtio.transport import VHOST


@description("vhost-user-fs config")
class VHostUserFSConfig(VMState):
    """The configuration space."""

    tag: str = text(36, doc="the name to mount it by, filled up with NULs")
    num_request_queues: int = uint32_device()


@description("vhost-user-fs-backend", rules=(known_since(Release(8, 2)),))
class VHostUserFSBackend(VMState):
    """The state of the back end."""

    backend: BackendState = info("virtio-fs back-end state", BackendState, name="back-end")


@virtio_device(
    "vhost-user-fs",
    models="vmstate.devices.virtio.models:VHOST_USER_FS",
    id=26,
    qmp_name="virtio-user-fs",
    features=VHOST,
    provisional={"backend": None},
)
@description("vhost-user-fs")
class VHostUserFS(VMState):
    """A vhost-user-fs device on any transport."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    backend: VHostUserFSBackend | None = subsection(VHostUserFSBackend)
    config_space = ConfigSpace(VHostUserFSConfig)
