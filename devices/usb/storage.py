"""The USB mass-storage device.

Facts from QEMU's hw/usb/dev-storage.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint8, uint32
from vmstate.devices.usb.device import USBDevice


@device("usb-storage", models="vmstate.devices.usb.models:STORAGE")
@description("usb-storage", version_id=1, minimum_version_id=1)
class USBMSD(VMState):
    """The command that is under way."""

    dev: USBDevice = struct(USBDevice)
    mode: int = uint32()
    scsi_len: int = uint32()
    scsi_off: int = uint32()
    data_len: int = uint32()
    csw_sig: int = uint32(name="csw.sig")
    csw_tag: int = uint32(name="csw.tag")
    csw_residue: int = uint32(name="csw.residue")
    csw_status: int = uint8(name="csw.status")
