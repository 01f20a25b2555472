"""A controller of Xilinx's SoCs: xlnx.versal-pmc-iou-slcr.

Facts from QEMU's hw/misc/xlnx-versal-pmc-iou-slcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.versal-pmc-iou-slcr")
@description("xlnx.versal-pmc-iou-slcr", version_id=1, minimum_version_id=1)
class XlnxVersalPmcIouSlcr(VMState):
    """A controller of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 523)
