"""The reset controller of NXP's i.MX 6.

Facts from QEMU's hw/misc/imx6_src.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx6.src")
@description("imx6.src", version_id=1, minimum_version_id=1)
class Imx6Src(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 18)
