"""Non-volatile memory of Xilinx's SoCs: xlnx,versal-efuse.

Facts from QEMU's hw/nvram/xlnx-versal-efuse-ctrl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx,versal-efuse")
@description("xlnx,versal-efuse", version_id=1, minimum_version_id=1)
class XlnxVersalEfuse(VMState):
    """Non-volatile memory of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 65)
