"""The I2C controller of the BBC micro:bit, as much as its boot asks for.

Facts from QEMU's hw/i2c/microbit_i2c.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("microbit.i2c")
@description("microbit.i2c", version_id=1, minimum_version_id=1)
class MicrobitI2c(VMState):
    """Registers, and which answer comes next."""

    regs: list[int] = array(uint32, 1024)
    read_idx: int = uint32()
