"""The reset controller of NXP's i.MX 7.

Facts from QEMU's hw/misc/imx7_src.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx7.src")
@description("imx7.src", version_id=1, minimum_version_id=1)
class Imx7Src(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 39)
