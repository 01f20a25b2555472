"""What Xilinx's USB controller has beside DWC3.

Facts from QEMU's hw/usb/xlnx-versal-usb2-ctrl-regs.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.versal-usb2-ctrl-regs")
@description("xlnx.versal-usb2-ctrl-regs", version_id=1, minimum_version_id=1)
class XlnxVersalUsb2CtrlRegs(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 31)
