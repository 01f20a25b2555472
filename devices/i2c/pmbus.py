"""What every device of a PMBus begins with.

Facts from QEMU's hw/i2c/pmbus_device.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, struct, uint8
from vmstate.devices.i2c.smbus_slave import SMBusDevice


@description("pmbus-device")
class PmbusDevice(VMState):
    """The device on its bus: pages, the command under way, what it can do."""

    smb: SMBusDevice = struct(SMBusDevice)
    num_pages: int = uint8()
    code: int = uint8()
    page: int = uint8()
    capability: int = uint8()
