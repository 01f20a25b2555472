"""The words that are written once, of Nuvoton's NPCM7xx.

Facts from QEMU's hw/nvram/npcm7xx_otp.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@device("npcm7xx-otp")
@description("npcm7xx-otp")
class Npcm7xxOtp(VMState):
    """Non-volatile memory of Nuvoton's NPCM7xx and NPCM8xx."""

    regs: list[int] = array(uint32, 6)
    array_: list[int] = array(uint8, 1024, name="array")
