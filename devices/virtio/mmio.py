"""The MMIO transport of virtio.

Facts from QEMU's hw/virtio/virtio-mmio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, part, subsection, uint16, uint32
from vmstate.devices.virtio.pci import QUEUE_MAX


@description("virtio-mmio config")
class VirtIOMMIOConfig(VMState):
    """What the transport saves before the device."""

    host_features_sel: int = uint32()
    guest_features_sel: int = uint32()
    guest_page_shift: int = uint32()


@part(provisional={"enabled": False, "desc": [0, 0], "avail": [0, 0], "used": [0, 0]})
@description("virtio_mmio/queue_state", version_id=1, minimum_version_id=1)
class VirtIOMMIOQueue(VMState):
    """A queue as the registers of a modern device show it; each address is two words, the lower first."""

    num: int = uint16()
    enabled: bool = boolean()
    desc: list[int] = array(uint32, 2)
    avail: list[int] = array(uint32, 2)
    used: list[int] = array(uint32, 2)


@description("virtio_mmio/state", version_id=1, minimum_version_id=1)
class VirtIOMMIOState(VMState):
    """The registers of a modern device."""

    guest_features: list[int] = array(uint32, 2)
    vqs: list[VirtIOMMIOQueue] = array(VirtIOMMIOQueue, QUEUE_MAX)


@description("virtio_mmio", version_id=1, minimum_version_id=1)
class VirtIOMMIOExtraState(VMState):
    """What the transport saves behind the device."""

    state: VirtIOMMIOState | None = subsection(VirtIOMMIOState)
