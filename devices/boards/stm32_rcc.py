"""The clock controller of ST's STM32, in a simple form.

Facts from QEMU's hw/misc/stm32_rcc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("stm32.rcc")
@description("stm32.rcc", version_id=1, minimum_version_id=1)
class Stm32Rcc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 38)
