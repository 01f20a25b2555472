"""The clocks and resets of the low-power domain of Xilinx's Versal.

Facts from QEMU's hw/misc/xlnx-versal-crl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, variant


@device("xlnx-versal-crl", "xlnx,versal-crl")
@description("xlnx-versal-crl", version_id=1, minimum_version_id=1)
class XlnxVersalCrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 221)


@device("xlnx-versal2-crl")
@description("xlnx-versal2-crl", version_id=1, minimum_version_id=1)
class XlnxVersal2Crl(VMState):
    """Registers of the second generation."""

    regs: list[int] = array(uint32, 247)


XLNX_VERSAL_CRL_8_2 = variant(XlnxVersalCrl, "xlnx,versal-crl")
"""The name up to 8.2."""
