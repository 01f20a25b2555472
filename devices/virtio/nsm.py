"""virtio-nsm: the Nitro Secure Module.

Facts from QEMU's hw/virtio/virtio-nsm.c, which has it since release 9.2. It has no configuration space.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, info, struct, uint8, virtio_device
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state

MAX_PCRS = 32
SHA384 = 48
"""Bytes of a measurement."""


@description("pcr_info_entry", version_id=1, minimum_version_id=1)
class PCRInfo(VMState):
    """A register of measurements, and whether it can still be extended."""

    locked: bool = boolean()
    data: list[int] = array(uint8, SHA384)


@description("virtio-nsm-device", version_id=1, minimum_version_id=1)
class VirtIONSMDevice(VMState):
    """The module."""

    pcrs: list[PCRInfo] = array(PCRInfo, MAX_PCRS)


@description("virtio-nsm body")
class VirtIONSMBody(VirtIODevice):
    """Everything a virtio-nsm device saves."""

    nsm: VirtIONSMDevice = struct(VirtIONSMDevice)
    virtio: VirtIO = virtio_state()


@virtio_device("virtio-nsm", id=33, qmp_name="virtio-nitro-sec-mod")
@description("virtio-nsm", version_id=1, minimum_version_id=1)
class VirtIONSM(VMState):
    """A virtio-nsm device on any transport."""

    virtio: VirtIONSMBody = info("virtio", VirtIONSMBody)
