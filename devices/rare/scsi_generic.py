"""A SCSI device of the host's: scsi-generic.

Facts from QEMU's hw/scsi/scsi-generic.c.
"""

from __future__ import annotations

from vmstate.declare import description, device
from vmstate.devices.scsi.device import SCSIDevice


@device("SCSIDevice")
@description("SCSIDevice", version_id=1, minimum_version_id=1)
class SCSIGeneric(SCSIDevice):
    """The device: nothing but what every SCSI device has."""
