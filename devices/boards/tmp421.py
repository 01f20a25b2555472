"""A sensor of several temperatures on an I2C bus: TI's TMP421 to TMP423.

Facts from QEMU's hw/sensor/tmp421.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int16, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("TMP421")
@description("TMP421")
class TMP421(VMState):
    """Registers and temperatures."""

    len: int = uint8()
    buf: list[int] = array(uint8, 2)
    pointer: int = uint8()
    config: list[int] = array(uint8, 2)
    status: int = uint8()
    rate: int = uint8()
    temperature: list[int] = array(int16, 4)
    i2c: I2CSlave = struct(I2CSlave)
