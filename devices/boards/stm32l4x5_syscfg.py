"""The system configuration of ST's STM32L4.

Facts from QEMU's hw/misc/stm32l4x5_syscfg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.clock import Clock


@device("stm32l4x5-syscfg")
@description("stm32l4x5-syscfg", version_id=2, minimum_version_id=2)
class Stm32l4x5Syscfg(VMState):
    """Registers, and the clock."""

    memrmp: int = uint32()
    cfgr1: int = uint32()
    exticr: list[int] = array(uint32, 4)
    scsr: int = uint32()
    cfgr2: int = uint32()
    swpr: int = uint32()
    skr: int = uint32()
    swpr2: int = uint32()
    clk: Clock = struct(Clock)
