"""The gigabit network card of Nuvoton's NPCM7xx and NPCM8xx.

Facts from QEMU's hw/net/npcm_gmac.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, secret, uint32

ADDRESSES = secret("contents", 16, 8)
"""The registers MAC0_ADDR_HI to MAC3_ADDR_LO."""


@device("npcm-gmac")
@description("npcm-gmac")
class NpcmGmac(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1048, private=ADDRESSES)
