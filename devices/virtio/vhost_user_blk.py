"""vhost-user-blk: a disk served by a process beside QEMU.

Facts from QEMU's hw/block/vhost-user-blk.c.
"""

from __future__ import annotations

from vmstate.declare import Release, VMState, description, info, known_since, struct, subsection, virtio_device
from vmstate.devices.vhost.inflight import VhostInflightRegion
from vmstate.devices.virtio.blk import FEATURES, VirtIOBlkConfig
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIOBody


@description("vhost-user-blk/inflight", version_id=1, rules=(known_since(Release(11, 0)),))
class VHostUserBlkInflight(VMState):
    """The requests that the back end has not done; sent where it can leave them undone when it stops."""

    inflight: VhostInflightRegion = struct(VhostInflightRegion)


@virtio_device(
    "vhost-user-blk",
    models="vmstate.devices.virtio.models:VHOST_USER_BLK",
    id=2,
    qmp_name="virtio-blk",
    features=FEATURES,
    items="vmstate.devices.virtio.vhost_user_blk_items:ITEMS",
    exercise="vmstate.devices.vhost.exercise:BLK",
    provisional={"inflight": None},
)
@description("vhost-user-blk", version_id=1, minimum_version_id=1)
class VHostUserBlk(VMState):
    """A vhost-user-blk device on any transport."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    inflight: VHostUserBlkInflight | None = subsection(VHostUserBlkInflight)
    config_space = ConfigSpace(VirtIOBlkConfig)
