"""The analogue-to-digital converter of Nuvoton's NPCM7xx.

Facts from QEMU's hw/adc/npcm7xx_adc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, timer, uint16, uint32
from vmstate.devices.core.clock import Clock


@device("npcm7xx-adc", noise={"timer": ("conv_timer",)})
@description("npcm7xx-adc")
class Npcm7xxAdc(VMState):
    """The conversion under way, registers, inputs and references in mV."""

    conv_timer: int = timer()
    con: int = uint32()
    data: int = uint32()
    clock: Clock = struct(Clock)
    adci: list[int] = array(uint32, 8)
    vref: int = uint32()
    iref: int = uint32()
    calibration_r_values: list[int] = array(uint16, 2)
