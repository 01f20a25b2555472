"""virtio-rng. It has no state of its own and no configuration space.

Facts from QEMU's hw/virtio/virtio-rng.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, info, virtio_device
from vmstate.devices.virtio.core import VirtIOBody
from vmstate.devices.virtio.transport import VHOST


@virtio_device(
    "virtio-rng",
    models="vmstate.devices.virtio.models:RNG",
    id=4,
    features=VHOST,
    host="virtio_rng_device_realize: no configuration space",
)
@description("virtio-rng", version_id=1, minimum_version_id=1)
class VirtIORNG(VMState):
    """A source of entropy."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
