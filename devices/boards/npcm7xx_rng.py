"""The random numbers of Nuvoton's NPCM7xx.

Facts from QEMU's hw/misc/npcm7xx_rng.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("npcm7xx-rng")
@description("npcm7xx-rng")
class Npcm7xxRng(VMState):
    """Registers."""

    rngcs: int = uint8()
    rngd: int = uint8()
    rngmode: int = uint8()
