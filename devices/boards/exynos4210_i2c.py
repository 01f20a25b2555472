"""The I2C controller of Samsung's Exynos 4210.

Facts from QEMU's hw/i2c/exynos4210_i2c.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint8


@device("exynos4210.i2c")
@description("exynos4210.i2c", version_id=1, minimum_version_id=1)
class Exynos4210I2c(VMState):
    """Registers: control, status, data, address."""

    i2ccon: int = uint8()
    i2cstat: int = uint8()
    i2cds: int = uint8()
    i2cadd: int = uint8()
    i2clc: int = uint8()
    scl_free: bool = boolean()
