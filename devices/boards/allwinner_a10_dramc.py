"""The memory controller of Allwinner's A10.

Facts from QEMU's hw/misc/allwinner-a10-dramc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-a10-dramc")
@description("allwinner-a10-dramc", version_id=1, minimum_version_id=1)
class AllwinnerA10Dramc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1024)
