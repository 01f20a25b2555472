"""The system registers of Xilinx's Zynq: clocks, resets, pins.

Facts from QEMU's hw/misc/zynq_slcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.clock import Clock


@device("zynq_slcr")
@description("zynq_slcr", version_id=3, minimum_version_id=2)
class ZynqSlcr(VMState):
    """Registers, and the clock that comes in."""

    regs: list[int] = array(uint32, 1024)
    ps_clk: Clock = struct(Clock, version=3)
