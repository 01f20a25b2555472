"""The pins and system registers of Xilinx's Versal.

Facts from QEMU's hw/misc/xlnx-versal-pmc-iou-slcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.versal-pmc-iou-slcr")
@description("xlnx.versal-pmc-iou-slcr", version_id=1, minimum_version_id=1)
class XlnxVersalPmcIouSlcr(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 523)
