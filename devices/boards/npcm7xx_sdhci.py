"""What Nuvoton's controller of SD cards has beside the usual one.

Facts from QEMU's hw/sd/npcm7xx_sdhci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("npcm7xx.sdhci")
@description("npcm7xx.sdhci")
class Npcm7xxSdhci(VMState):
    """The register that lets a guest boot from it."""

    regs_boottoctrl: int = uint32(name="regs.boottoctrl")
