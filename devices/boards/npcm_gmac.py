"""A network card of Nuvoton's NPCM7xx and NPCM8xx: npcm-gmac.

Facts from QEMU's hw/net/npcm_gmac.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("npcm-gmac")
@description("npcm-gmac")
class NpcmGmac(VMState):
    """A network card of Nuvoton's NPCM7xx and NPCM8xx."""

    regs: list[int] = array(uint32, 1048)
