"""A network card of Nuvoton's NPCM7xx and NPCM8xx: npcm7xx-emc.

Facts from QEMU's hw/net/npcm7xx_emc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint8, uint32


@device("npcm7xx-emc")
@description("npcm7xx-emc")
class Npcm7xxEmc(VMState):
    """A network card of Nuvoton's NPCM7xx and NPCM8xx."""

    emc_num: int = uint8()
    regs: list[int] = array(uint32, 55)
    tx_active: bool = boolean()
    rx_active: bool = boolean()
