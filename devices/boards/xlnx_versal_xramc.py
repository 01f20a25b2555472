"""The controller of the accelerator memory of Xilinx's Versal.

Facts from QEMU's hw/misc/xlnx-versal-xramc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.versal-xramc")
@description("xlnx.versal-xramc", version_id=1, minimum_version_id=1)
class XlnxVersalXramc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1023)
