"""An interrupt controller of Xilinx's SoCs: xlnx.zynqmp_ipi.

Facts from QEMU's hw/intc/xlnx-zynqmp-ipi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("xlnx.zynqmp_ipi")
@description("xlnx.zynqmp_ipi", version_id=1, minimum_version_id=1)
class XlnxZynqmpIpi(VMState):
    """An interrupt controller of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 8)
