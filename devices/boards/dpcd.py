"""The registers of a DisplayPort monitor, behind Xilinx's display controller.

Facts from QEMU's hw/display/dpcd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("dpcd")
@description("dpcd")
class Dpcd(VMState):
    """The registers, as the port reads them."""

    dpcd_info: list[int] = array(uint8, 1536)
