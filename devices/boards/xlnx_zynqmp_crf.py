"""The clocks and resets of the full-power domain of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/misc/xlnx-zynqmp-crf.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.zynqmp_crf")
@description("xlnx.zynqmp_crf", version_id=1, minimum_version_id=1)
class XlnxZynqmpCrf(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 67)
