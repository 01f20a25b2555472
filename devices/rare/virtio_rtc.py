"""virtio-rtc: a clock for the guest, since 11.1.

Facts from the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, info, virtio_device
from vmstate.devices.virtio.core import VirtIOBody


@virtio_device("virtio-rtc", id=17)
@description("virtio-rtc", version_id=1, minimum_version_id=1)
class VirtIORTC(VMState):
    """The device: nothing but what every virtio device has."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
