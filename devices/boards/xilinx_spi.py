"""An SPI controller of Xilinx's soft logic (XPS).

Facts from QEMU's hw/ssi/xilinx_spi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("xilinx_spi")
@description("xilinx_spi", version_id=1, minimum_version_id=1)
class XilinxSPI(VMState):
    """Bytes to be sent and received, and registers."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 31)
