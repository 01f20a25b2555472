"""The fuses of Xilinx's Versal.

Facts from QEMU's hw/nvram/xlnx-versal-efuse-ctrl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, variant


@device("xlnx-versal-efuse", "xlnx,versal-efuse")
@description("xlnx-versal-efuse", version_id=1, minimum_version_id=1)
class XlnxVersalEfuse(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 65)


XLNX_VERSAL_EFUSE_8_2 = variant(XlnxVersalEfuse, "xlnx,versal-efuse")
"""The name up to 8.2."""
