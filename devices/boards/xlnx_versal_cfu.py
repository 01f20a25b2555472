"""A controller of Xilinx's SoCs.

Facts from QEMU's hw/misc/xlnx-versal-cfu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@device("xlnx-versal-cfu-apb")
@description("xlnx-versal-cfu-apb", version_id=1, minimum_version_id=1)
class XlnxVersalCfuApb(VMState):
    """A controller of Xilinx's SoCs."""

    wfifo: list[int] = array(uint32, 4)
    regs: list[int] = array(uint32, 72)
    fdri_row_addr: int = uint8()


@device("xlnx-versal-cfu-sfr")
@description("xlnx-versal-cfu-sfr", version_id=1, minimum_version_id=1)
class XlnxVersalCfuSfr(VMState):
    """A controller of Xilinx's SoCs."""

    wfifo: list[int] = array(uint32, 4)
