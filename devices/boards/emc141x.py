"""A sensor of temperatures on an I2C bus: Microchip's EMC1412 to EMC1414.

Facts from QEMU's hw/sensor/emc141x.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("EMC141X")
@description("EMC141X")
class EMC141X(VMState):
    """Which register comes next, and the byte written."""

    len: int = uint8()
    data: int = uint8()
    pointer: int = uint8()
    parent_obj: I2CSlave = struct(I2CSlave)
