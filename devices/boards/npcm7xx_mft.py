"""The tachometers of Nuvoton's NPCM7xx (multi-function timers).

Facts from QEMU's hw/misc/npcm7xx_mft.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint16, uint32
from vmstate.devices.core.clock import Clock


@device("npcm7xx-mft-module")
@description("npcm7xx-mft-module")
class Npcm7xxMftModule(VMState):
    """Clocks, registers, and how fast the fans turn."""

    clock_in: Clock = struct(Clock)
    clock_1: Clock = struct(Clock)
    clock_2: Clock = struct(Clock)
    regs: list[int] = array(uint16, 16)
    max_rpm: list[int] = array(uint32, 4)
    duty: list[int] = array(uint32, 4)
