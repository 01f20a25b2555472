"""The DMA controller of Xilinx's Zynq UltraScale+ and Versal.

Facts from QEMU's hw/dma/xlnx-zdma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.zdma")
@description("xlnx.zdma", version_id=1, minimum_version_id=1)
class XlnxZdma(VMState):
    """Registers, and the two descriptors under way."""

    regs: list[int] = array(uint32, 129)
    state: int = uint32()
    dsc_src_words: list[int] = array(uint32, 4, name="dsc_src.words")
    dsc_dst_words: list[int] = array(uint32, 4, name="dsc_dst.words")
