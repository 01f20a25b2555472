"""Eight lines on an I2C bus: Maxim's MAX7310.

Facts from QEMU's hw/gpio/max7310.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("max7310")
@description("max7310")
class Max7310(VMState):
    """General-purpose lines."""

    i2c_command_byte: int = int32()
    len: int = int32()
    level: int = uint8()
    direction: int = uint8()
    polarity: int = uint8()
    status: int = uint8()
    command: int = uint8()
    parent_obj: I2CSlave = struct(I2CSlave)
