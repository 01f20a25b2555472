"""Non-volatile memory of Xilinx's SoCs: xlnx,bbram-ctrl.

Facts from QEMU's hw/nvram/xlnx-bbram.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, variant


@device("xlnx.bbram-ctrl", "xlnx,bbram-ctrl")
@description("xlnx.bbram-ctrl", version_id=1, minimum_version_id=1)
class XlnxBbramCtrl(VMState):
    """Non-volatile memory of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 20)


XLNX_BBRAM_CTRL_7_2 = variant(XlnxBbramCtrl, "xlnx,bbram-ctrl")
"""The name up to 7.2 at least."""
