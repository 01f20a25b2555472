"""The clock controller of Allwinner's A10.

Facts from QEMU's hw/misc/allwinner-a10-ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-a10-ccm")
@description("allwinner-a10-ccm", version_id=1, minimum_version_id=1)
class AllwinnerA10Ccm(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 256)
