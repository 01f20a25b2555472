"""The I2C controller of DesignWare.

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("designware-i2c")
@description("designware-i2c")
class DesignwareI2C(VMState):
    """Registers, the bytes received, and where a transfer stands."""

    regs: list[int] = array(uint32, 64)
    rx_fifo: Fifo8 = struct(Fifo8)
    status: int = uint32()
