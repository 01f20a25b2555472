"""An EEPROM on the SMBus, which describes a memory module.

Facts from QEMU's hw/i2c/smbus_eeprom.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint8
from vmstate.devices.i2c.smbus_slave import SMBusDevice


@device("smbus-eeprom")
@description("smbus-eeprom", version_id=1, minimum_version_id=1)
class SMBusEEPROM(VMState):
    """Contents and position; sent once the guest has used it."""

    smbusdev: SMBusDevice = struct(SMBusDevice)
    data: list[int] = array(uint8, 256)
    offset: int = uint8()
    accessed: bool = boolean()
