"""The system registers of Nuvoton's NPCM7xx, up to 9.2.

Facts from QEMU's hw/misc/npcm7xx_gcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("npcm7xx-gcr")
@description("npcm7xx-gcr")
class Npcm7xxGcr(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 82)
