"""The clock controller of Allwinner's R40.

Facts from QEMU's hw/misc/allwinner-r40-ccu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-r40-ccu")
@description("allwinner-r40-ccu", version_id=1, minimum_version_id=1)
class AllwinnerR40Ccu(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 256)
