"""A controller of NXP's i.MX: imx7.src.

Facts from QEMU's hw/misc/imx7_src.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx7.src")
@description("imx7.src", version_id=1, minimum_version_id=1)
class Imx7Src(VMState):
    """A controller of NXP's i.MX."""

    regs: list[int] = array(uint32, 39)
