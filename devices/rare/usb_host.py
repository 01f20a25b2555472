"""A USB device of the host's.

Facts from QEMU's hw/usb/host-libusb.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.usb.device import USBDevice


@device("usb-host")
@description("usb-host", version_id=1, minimum_version_id=1)
class USBHost(VMState):
    """What every USB device sends; the destination has lost the device and unplugs it."""

    parent_obj: USBDevice = struct(USBDevice)
