"""A controller of Nuvoton's NPCM7xx and NPCM8xx: npcm7xx-gcr.

Facts from QEMU's hw/misc/npcm7xx_gcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("npcm7xx-gcr")
@description("npcm7xx-gcr")
class Npcm7xxGcr(VMState):
    """A controller of Nuvoton's NPCM7xx and NPCM8xx."""

    regs: list[int] = array(uint32, 82)
