"""virtio-rng. It has no state of its own and no configuration space.

Facts from QEMU's hw/virtio/virtio-rng.c.
"""

from __future__ import annotations

from vmstate.devices.virtio.core import VirtIOBody
from vmstate.vmsd.declare import description, info


@description("virtio-rng", version_id=1, minimum_version_id=1)
class VirtIORNG:
    """A source of entropy."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    early_items = "vmstate.devices.virtio.rng_items:ITEMS"
