"""The DMA of Xilinx's DisplayPort controller.

Facts from QEMU's hw/dma/xlnx_dpdma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint32


@device("xlnx.dpdma")
@description("xlnx.dpdma", version_id=1)
class XlnxDpdma(VMState):
    """Registers, and which channels are done."""

    registers: list[int] = array(uint32, 1024)
    operation_finished: list[bool] = array(boolean, 6)
