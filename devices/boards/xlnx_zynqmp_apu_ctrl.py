"""The control of the application processors of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/misc/xlnx-zynqmp-apu-ctrl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.apu-ctrl")
@description("xlnx.apu-ctrl", version_id=1, minimum_version_id=1)
class XlnxApuCtrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 38)
