"""A real-time clock of Xilinx's SoCs: xlnx-zynmp.rtc.

Facts from QEMU's hw/rtc/xlnx-zynqmp-rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx-zynmp.rtc")
@description("xlnx-zynmp.rtc", version_id=1, minimum_version_id=1)
class XlnxZynmpRtc(VMState):
    """A real-time clock of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 21)
    tick_offset: int = uint32()
