"""The general power controller of NXP's i.MX 7.

Facts from QEMU's hw/intc/imx_gpcv2.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx-gpcv2")
@description("imx-gpcv2", version_id=1, minimum_version_id=1)
class ImxGpcv2(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 896)
