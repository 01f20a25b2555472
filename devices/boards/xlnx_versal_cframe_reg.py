"""A controller of Xilinx's SoCs: xlnx.cframe-bcast-reg.

Facts from QEMU's hw/misc/xlnx-versal-cframe-reg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.cframe-bcast-reg")
@description("xlnx.cframe-bcast-reg", version_id=1, minimum_version_id=1)
class XlnxCframeBcastReg(VMState):
    """A controller of Xilinx's SoCs."""

    wfifo: list[int] = array(uint32, 4)
