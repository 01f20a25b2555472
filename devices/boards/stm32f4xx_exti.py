"""The external interrupts of ST's STM32F4.

Facts from QEMU's hw/misc/stm32f4xx_exti.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("stm32f4xx-exti")
@description("stm32f4xx-exti", version_id=1, minimum_version_id=1)
class Stm32f4xxExti(VMState):
    """Registers."""

    exti_imr: int = uint32()
    exti_emr: int = uint32()
    exti_rtsr: int = uint32()
    exti_ftsr: int = uint32()
    exti_swier: int = uint32()
    exti_pr: int = uint32()
