"""The 100-megabit network card of Nuvoton's NPCM7xx.

Facts from QEMU's hw/net/npcm7xx_emc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, secret, uint8, uint32

ADDRESSES = secret("contents", 2, 32)
"""The registers CAMM0 to CAML15: MAC addresses."""


@device("npcm7xx-emc")
@description("npcm7xx-emc")
class Npcm7xxEmc(VMState):
    """Registers, and whether it sends and receives."""

    emc_num: int = uint8()
    regs: list[int] = array(uint32, 55, private=ADDRESSES)
    tx_active: bool = boolean()
    rx_active: bool = boolean()
