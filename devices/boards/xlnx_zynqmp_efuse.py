"""Non-volatile memory of Xilinx's SoCs: xlnx,zynqmp-efuse.

Facts from QEMU's hw/nvram/xlnx-zynqmp-efuse.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, variant


@device("xlnx-zynqmp-efuse", "xlnx,zynqmp-efuse")
@description("xlnx-zynqmp-efuse", version_id=1, minimum_version_id=1)
class XlnxZynqmpEfuse(VMState):
    """Non-volatile memory of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 1088)


XLNX_ZYNQMP_EFUSE_8_2 = variant(XlnxZynqmpEfuse, "xlnx,zynqmp-efuse")
"""The name up to 8.2."""
