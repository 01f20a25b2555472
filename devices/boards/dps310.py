"""A sensor of pressure and temperature on an I2C bus: Infineon's DPS310.

Facts from QEMU's hw/sensor/dps310.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("DPS310")
@description("DPS310")
class DPS310(VMState):
    """Registers, and which of them comes next."""

    len: int = uint8()
    regs: list[int] = array(uint8, 51)
    pointer: int = uint8()
    i2c: I2CSlave = struct(I2CSlave)
