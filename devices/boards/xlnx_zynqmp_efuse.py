"""The fuses of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/nvram/xlnx-zynqmp-efuse.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, secret, uint32, variant

FUSES = secret("contents", 1024, 64)
"""The copies of the fuses: the serial number, the user's words, digests of keys."""


@device("xlnx-zynqmp-efuse", "xlnx,zynqmp-efuse")
@description("xlnx-zynqmp-efuse", version_id=1, minimum_version_id=1)
class XlnxZynqmpEfuse(VMState):
    """Registers, and copies of the fuses."""

    regs: list[int] = array(uint32, 1088, private=FUSES)


XLNX_ZYNQMP_EFUSE_8_2 = variant(XlnxZynqmpEfuse, "xlnx,zynqmp-efuse")
"""The name up to 8.2."""
