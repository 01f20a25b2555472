"""The system configuration of ST's STM32F4.

Facts from QEMU's hw/misc/stm32f4xx_syscfg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("stm32f4xx-syscfg")
@description("stm32f4xx-syscfg", version_id=1, minimum_version_id=1)
class Stm32f4xxSyscfg(VMState):
    """Registers."""

    syscfg_memrmp: int = uint32()
    syscfg_pmc: int = uint32()
    syscfg_exticr: list[int] = array(uint32, 4)
    syscfg_cmpcr: int = uint32()
