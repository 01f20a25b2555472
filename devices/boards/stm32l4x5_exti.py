"""The external interrupts of ST's STM32L4.

Facts from QEMU's hw/misc/stm32l4x5_exti.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("stm32l4x5-exti")
@description("stm32l4x5-exti", version_id=2, minimum_version_id=2)
class Stm32l4x5Exti(VMState):
    """Registers, and the lines."""

    imr: list[int] = array(uint32, 2)
    emr: list[int] = array(uint32, 2)
    rtsr: list[int] = array(uint32, 2)
    ftsr: list[int] = array(uint32, 2)
    swier: list[int] = array(uint32, 2)
    pr: list[int] = array(uint32, 2)
    irq_levels: list[int] = array(uint32, 2)
