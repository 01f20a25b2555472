"""The I2C controller of Allwinner's SoCs.

Facts from QEMU's hw/i2c/allwinner-i2c.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("allwinner.i2c")
@description("allwinner.i2c", version_id=1, minimum_version_id=1)
class AllwinnerI2c(VMState):
    """Registers: address, data, control, status, clock."""

    addr: int = uint8()
    xaddr: int = uint8()
    data: int = uint8()
    cntr: int = uint8()
    ccr: int = uint8()
    srst: int = uint8()
    efr: int = uint8()
    lcr: int = uint8()
