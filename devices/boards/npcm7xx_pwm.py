"""The pulse width modulators of Nuvoton's NPCM7xx.

Facts from QEMU's hw/misc/npcm7xx_pwm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint8, uint32
from vmstate.devices.core.clock import Clock


@description("npcm7xx-pwm")
class Npcm7xxPwm(VMState):
    """A modulator: whether it runs, its registers, frequency and duty."""

    running: bool = boolean()
    inverted: bool = boolean()
    index: int = uint8()
    cnr: int = uint32()
    cmr: int = uint32()
    pdr: int = uint32()
    pwdr: int = uint32()
    freq: int = uint32()
    duty: int = uint32()


@device("npcm7xx-pwm-module")
@description("npcm7xx-pwm-module")
class Npcm7xxPwmModule(VMState):
    """The clock, the modulators, and registers."""

    clock: Clock = struct(Clock)
    pwm: list[Npcm7xxPwm] = array(Npcm7xxPwm, 4)
    ppr: int = uint32()
    csr: int = uint32()
    pcr: int = uint32()
    pier: int = uint32()
    piir: int = uint32()
