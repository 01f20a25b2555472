"""The device configuration of Xilinx's Zynq.

Facts from QEMU's hw/dma/xlnx-zynq-devcfg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@description("xlnx_zynq_devcfg_dma_cmd", version_id=1, minimum_version_id=1)
class XlnxZynqDevcfgDmaCmd(VMState):
    """A command of its DMA."""

    src_addr: int = uint32()
    dest_addr: int = uint32()
    src_len: int = uint32()
    dest_len: int = uint32()


@device("xlnx_zynq_devcfg")
@description("xlnx_zynq_devcfg", version_id=1, minimum_version_id=1)
class XlnxZynqDevcfg(VMState):
    """The commands, and registers."""

    dma_cmd_fifo: list[XlnxZynqDevcfgDmaCmd] = array(XlnxZynqDevcfgDmaCmd, 10)
    dma_cmd_fifo_num: int = uint8()
    regs: list[int] = array(uint32, 64)
