"""Eight lines on an I2C bus: NXP's PCA9554.

Facts from QEMU's hw/gpio/pca9554.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("PCA9554")
@description("PCA9554")
class PCA9554(VMState):
    """General-purpose lines."""

    len: int = uint8()
    pointer: int = uint8()
    regs: list[int] = array(uint8, 4)
    ext_state: list[int] = array(uint8, 8)
    i2c: I2CSlave = struct(I2CSlave)
