"""The I2C controller of e500 boards.

Facts from QEMU's hw/i2c/mpc_i2c.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("mpc-i2c")
@description("mpc-i2c", version_id=1, minimum_version_id=1)
class MPCI2C(VMState):
    """Its registers."""

    address: int = uint8()
    adr: int = uint8()
    fdr: int = uint8()
    cr: int = uint8()
    sr: int = uint8()
    dr: int = uint8()
    dfsrr: int = uint8()
