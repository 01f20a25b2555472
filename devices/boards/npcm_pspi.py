"""The SPI controller of Nuvoton's NPCM7xx (PSPI).

Facts from QEMU's hw/ssi/npcm_pspi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint16


@device("npcm-pspi")
@description("npcm-pspi")
class NpcmPspi(VMState):
    """Registers."""

    regs: list[int] = array(uint16, 3)
