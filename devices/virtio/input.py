"""virtio-input: keyboard, mouse, tablet and multi-touch device are one section.

Facts from QEMU's hw/input/virtio-input.c and hw/input/virtio-input-host.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, info, uint8, unused, vbuffer, virtio_device
from vmstate.devices.virtio.config import CONFIG_LEN, ConfigSpace
from vmstate.devices.virtio.core import VirtIOBody
from vmstate.devices.virtio.transport import VHOST


@description("virtio-input config")
class VirtIOInputConfig(VMState):
    """The configuration space: what the driver last selected of it, and as much room as the longest item takes."""

    select: int = uint8()
    subsel: int = uint8()
    size: int = uint8(doc="bytes of `u` that the item has")
    unused_0: None = unused(5)
    u: bytes = vbuffer(CONFIG_LEN - 8)


@virtio_device("virtio-input", models="vmstate.devices.virtio.models:INPUT", id=18, features=VHOST)
@description("virtio-input", version_id=1, minimum_version_id=1)
class VirtIOInput(VMState):
    """An input device of QEMU's own."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIOInputConfig)


@device("virtio-input-host")
@description("virtio-input-host", unmigratable=True)
class VirtIOInputHost(VMState):
    """An input device of the host: it cannot be migrated and is never in a stream."""
