"""The DisplayPort controller of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/display/xlnx_dp.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32, variant
from vmstate.devices.core.ptimer import Ptimer


@device("xlnx.v-dp")
@description("xlnx.v-dp", version_id=2)
class XlnxVDp(VMState):
    """Registers of its parts, and the timer of the picture."""

    core_registers: list[int] = array(uint32, 236)
    avbufm_registers: list[int] = array(uint32, 142)
    vblend_registers: list[int] = array(uint32, 120)
    audio_registers: list[int] = array(uint32, 20)
    vblank: Ptimer | None = struct(Ptimer, version=1)


XLNX_V_DP_5_2 = variant(
    XlnxVDp,
    None,
    1,
    core_registers=array(uint32, 235),
    vblend_registers=array(uint32, 119),
    vblank=None,
)
"""Of 5.2."""
