"""virtio-9p: a directory of the host. It can be migrated only while the guest has not mounted it.

Facts from QEMU's hw/9pfs/virtio-9p-device.c and hw/9pfs/9p.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, info, text, uint16_device, virtio_device
from vmstate.devices.virtio.config import CONFIG_LEN, ConfigSpace
from vmstate.devices.virtio.core import VirtIOBody


@description("virtio-9p config")
class VirtIO9PConfig(VMState):
    """The configuration space."""

    tag_len: int = uint16_device()
    tag: str = text(CONFIG_LEN - 2)


@virtio_device("virtio-9p", models="vmstate.devices.virtio.models:P9", id=9)
@description("virtio-9p", version_id=1, minimum_version_id=1)
class VirtIO9P(VMState):
    """A virtio-9p device on any transport."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIO9PConfig)
