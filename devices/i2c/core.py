"""The I2C bus, and what every device on it has.

Facts from QEMU's hw/i2c/core.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("i2c_bus", listed=False, early_copy="vmstate.devices.early_copies:STANDS")
@description("i2c_bus", version_id=1, minimum_version_id=1)
class I2CBus(VMState):
    """The address that is being spoken to; 255: none, 0: all."""

    saved_address: int = uint8()


@description("I2CSlave", version_id=1, minimum_version_id=1)
class I2CSlave(VMState):
    """The address of a device."""

    address: int = uint8()
