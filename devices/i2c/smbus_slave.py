"""What every SMBus device has.

Facts from QEMU's hw/i2c/smbus_slave.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, int32, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@description("smbus-device", version_id=1, minimum_version_id=1)
class SMBusDevice(VMState):
    """The transfer that is under way."""

    i2c: I2CSlave = struct(I2CSlave)
    mode: int = int32()
    data_len: int = int32()
    data_buf: list[int] = array(uint8, 34)
