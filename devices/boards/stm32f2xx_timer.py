"""A timer of ST's STM32F2.

Facts from QEMU's hw/timer/stm32f2xx_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int64, uint32


@device("stm32f2xx-timer", noise={"timer": ("tick_offset",)})
@description("stm32f2xx-timer", version_id=1, minimum_version_id=1)
class Stm32f2xxTimer(VMState):
    """Registers, and the count as an offset from the time."""

    tick_offset: int = int64()
    tim_cr1: int = uint32()
    tim_cr2: int = uint32()
    tim_smcr: int = uint32()
    tim_dier: int = uint32()
    tim_sr: int = uint32()
    tim_egr: int = uint32()
    tim_ccmr1: int = uint32()
    tim_ccmr2: int = uint32()
    tim_ccer: int = uint32()
    tim_psc: int = uint32()
    tim_arr: int = uint32()
    tim_ccr1: int = uint32()
    tim_ccr2: int = uint32()
    tim_ccr3: int = uint32()
    tim_ccr4: int = uint32()
    tim_dcr: int = uint32()
    tim_dmar: int = uint32()
    tim_or: int = uint32()
