"""The DMA of Xilinx's configuration unit.

Facts from QEMU's hw/dma/xlnx_csu_dma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint16, uint32


@device("xlnx.csu_dma")
@description("xlnx.csu_dma")
class XlnxCsuDma(VMState):
    """Registers, the width of the bus, and whether it reads or writes.

    Its timer is a field of version 1 of a description whose version is 0: QEMU sends it never.
    """

    width: int = uint16()
    is_dst: bool = boolean()
    r_size_last_word: bool = boolean()
    regs: list[int] = array(uint32, 11)
