"""The flash interface unit of Nuvoton's NPCM7xx and NPCM8xx.

Facts from QEMU's hw/ssi/npcm7xx_fiu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, uint32


@device("npcm7xx-fiu")
@description("npcm7xx-fiu")
class Npcm7xxFiu(VMState):
    """Which flash memory is selected, and registers."""

    active_cs: int = int32()
    regs: list[int] = array(uint32, 31)
