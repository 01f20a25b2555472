"""The general-purpose lines of Nuvoton's NPCM7xx and NPCM8xx.

Facts from QEMU's hw/gpio/npcm7xx_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("npcm7xx-gpio")
@description("npcm7xx-gpio")
class Npcm7xxGpio(VMState):
    """General-purpose lines of Nuvoton's NPCM7xx and NPCM8xx."""

    pin_level: int = uint32()
    ext_level: int = uint32()
    ext_driven: int = uint32()
    regs: list[int] = array(uint32, 32)
