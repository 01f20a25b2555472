"""The controller of Allwinner's on-chip memory.

Facts from QEMU's hw/misc/allwinner-sramc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("allwinner-sramc")
@description("allwinner-sramc", version_id=1, minimum_version_id=1)
class AllwinnerSramc(VMState):
    """Version, and the address at which the boot goes on."""

    sram_ver: int = uint32()
    sram_soft_entry_reg0: int = uint32()
