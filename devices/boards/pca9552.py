"""A driver of 16 lights on an I2C bus: NXP's PCA9552.

Facts from QEMU's hw/gpio/pca9552.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, variant
from vmstate.devices.i2c.core import I2CSlave


@device("PCA9552")
@description("PCA9552")
class PCA9552(VMState):
    """General-purpose lines."""

    len: int = uint8()
    pointer: int = uint8()
    regs: list[int] = array(uint8, 10)
    ext_state: list[int] = array(uint8, 16)
    i2c: I2CSlave = struct(I2CSlave)


PCA9552_7_2 = variant(PCA9552, ext_state=None)
"""Up to 7.2 at least."""
