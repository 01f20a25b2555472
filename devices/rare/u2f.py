"""A security key (U2F) of the host's.

Facts from QEMU's hw/usb/u2f.c and hw/usb/u2f-passthru.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, struct, uint8
from vmstate.devices.usb.device import USBDevice


@device("u2f-key")
@description("u2f-key", version_id=1, minimum_version_id=1)
class U2FKey(VMState):
    """The reports that the guest has not fetched: 32 of 64 bytes, the first of them and where the next goes."""

    dev: USBDevice = struct(USBDevice)
    idle: int = uint8()
    pending_in: list[int] = array(uint8, 2048, private=CONTENTS)
    pending_in_start: int = uint8()
    pending_in_end: int = uint8()
    pending_in_num: int = uint8()


@device("u2f-key-passthru")
@description("u2f-key-passthru", version_id=1, minimum_version_id=1)
class U2FPassthru(VMState):
    """The key."""

    base: U2FKey = struct(U2FKey)
