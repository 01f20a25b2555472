"""The I2C controller of Broadcom's BCM2835.

Facts from QEMU's hw/i2c/bcm2835_i2c.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("bcm2835-i2c")
@description("bcm2835-i2c", version_id=1, minimum_version_id=1)
class Bcm2835I2c(VMState):
    """Registers by their names in the data sheet, and the length asked for last."""

    c: int = uint32()
    s: int = uint32()
    dlen: int = uint32()
    a: int = uint32()
    div: int = uint32()
    del_: int = uint32(name="del")
    clkt: int = uint32()
    last_dlen: int = uint32()
