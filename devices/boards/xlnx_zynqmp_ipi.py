"""The interrupts between processors of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/intc/xlnx-zynqmp-ipi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.zynqmp_ipi")
@description("xlnx.zynqmp_ipi", version_id=1, minimum_version_id=1)
class XlnxZynqmpIpi(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 8)
