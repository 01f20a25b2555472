"""A controller of SD cards of Nuvoton's NPCM7xx and NPCM8xx: npcm7xx.sdhci.

Facts from QEMU's hw/sd/npcm7xx_sdhci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("npcm7xx.sdhci")
@description("npcm7xx.sdhci")
class Npcm7xxSdhci(VMState):
    """A controller of SD cards of Nuvoton's NPCM7xx and NPCM8xx."""

    regs_boottoctrl: int = uint32(name="regs.boottoctrl")
