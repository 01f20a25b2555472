"""An SPI controller of Xilinx's SoCs: xilinx_spips.

Facts from QEMU's hw/ssi/xilinx_spips.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("xilinx_spips")
@description("xilinx_spips", version_id=2, minimum_version_id=2)
class XilinxSpips(VMState):
    """An SPI controller of Xilinx's SoCs."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 64)
    snoop_state: int = uint8()
