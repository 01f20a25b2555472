"""The I2C controller of NXP's i.MX.

Facts from QEMU's hw/i2c/imx_i2c.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint16


@device("imx.i2c")
@description("imx.i2c", version_id=1, minimum_version_id=1)
class ImxI2c(VMState):
    """Registers: addresses, clock, control, status, data."""

    address: int = uint16()
    iadr: int = uint16()
    ifdr: int = uint16()
    i2cr: int = uint16()
    i2sr: int = uint16()
    i2dr_read: int = uint16()
    i2dr_write: int = uint16()
