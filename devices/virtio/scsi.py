"""virtio-scsi: the host adapter. The disks on its bus are sections of their own, with their requests.

Facts from QEMU's hw/scsi/virtio-scsi.c, hw/scsi/vhost-scsi.c and hw/scsi/vhost-user-scsi.c. The adapter whose back end
is a vhost-user process has the same section name and layout as the one that QEMU itself is.
"""

from __future__ import annotations

from vmstate.declare import (
    Feature,
    VMState,
    description,
    info,
    struct,
    uint16_device,
    uint32,
    uint32_device,
    virtio_device,
)
from vmstate.devices.vhost.element import VirtQueueElement
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIOBody
from vmstate.devices.virtio.transport import VHOST

FEATURES = (
    Feature(0, "VIRTIO_SCSI_F_INOUT"),
    Feature(1, "VIRTIO_SCSI_F_HOTPLUG"),
    Feature(2, "VIRTIO_SCSI_F_CHANGE", property="param_change"),
    Feature(3, "VIRTIO_SCSI_F_T10_PI"),
    *VHOST,
)


@description("virtio-scsi config")
class VirtIOSCSIConfig(VMState):
    """The configuration space."""

    num_queues: int = uint32_device()
    seg_max: int = uint32_device()
    max_sectors: int = uint32_device()
    cmd_per_lun: int = uint32_device()
    event_info_size: int = uint32_device()
    sense_size: int = uint32_device()
    cdb_size: int = uint32_device()
    max_channel: int = uint16_device()
    max_target: int = uint16_device()
    max_lun: int = uint32_device()


@description("virtio-scsi request")
class VirtIOSCSIRequest(VMState):
    """What the adapter adds to a request that a disk saves."""

    queue: int = uint32(doc="the request queue, counted from 0 behind the control and event queues")
    elem: VirtQueueElement = struct(VirtQueueElement)


@virtio_device(
    "virtio-scsi",
    models="vmstate.devices.virtio.models:SCSI",
    id=8,
    features=FEATURES,
    host="virtio_scsi_common_realize",
)
@description("virtio-scsi", version_id=1, minimum_version_id=1)
class VirtIOSCSI(VMState):
    """The adapter, in QEMU or in a vhost-user back end."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIOSCSIConfig)


@virtio_device(
    "virtio-vhost_scsi",
    models="vmstate.devices.virtio.models:VHOST_SCSI",
    id=8,
    qmp_name="virtio-scsi",
    features=FEATURES,
)
@description("virtio-vhost_scsi", version_id=1, minimum_version_id=1)
class VHostSCSI(VMState):
    """The adapter in the host's kernel; sent only where its `migratable` property is on."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIOSCSIConfig)
