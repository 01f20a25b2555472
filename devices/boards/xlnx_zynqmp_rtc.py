"""The real-time clock of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/rtc/xlnx-zynqmp-rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx-zynmp.rtc", noise={"timer": ("tick_offset",)})
@description("xlnx-zynmp.rtc", version_id=1, minimum_version_id=1)
class XlnxZynmpRtc(VMState):
    """Registers, and the time as an offset from the host's."""

    regs: list[int] = array(uint32, 21)
    tick_offset: int = uint32()
