"""A serial port of ST's STM32L4.

Facts from QEMU's hw/char/stm32l4x5_usart.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, struct, uint32
from vmstate.devices.core.clock import Clock


@device("stm32l4x5-usart-base")
@description("stm32l4x5-usart-base", version_id=1, minimum_version_id=1)
class Stm32l4x5UsartBase(VMState):
    """Registers, a byte each way, and the clock."""

    cr1: int = uint32()
    cr2: int = uint32()
    cr3: int = uint32()
    brr: int = uint32()
    gtpr: int = uint32()
    rtor: int = uint32()
    isr: int = uint32()
    rdr: int = uint32(private=CONTENTS)
    tdr: int = uint32(private=CONTENTS)
    clk: Clock = struct(Clock)
