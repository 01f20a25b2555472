"""The six timers, the 64-bit counter and the watchdog of Allwinner's A10.

Facts from QEMU's hw/timer/allwinner-a10-pit.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, array_of_pointer, description, device, uint32
from vmstate.devices.core.ptimer import Ptimer


@device("a10.pit", noise={"timer": ("count", "count_lo", "count_hi")})
@description("a10.pit", version_id=1, minimum_version_id=1)
class A10Pit(VMState):
    """Registers of the timers, of the counter and of the watchdog, and the timers themselves."""

    irq_enable: int = uint32()
    irq_status: int = uint32()
    control: list[int] = array(uint32, 6)
    interval: list[int] = array(uint32, 6)
    count: list[int] = array(uint32, 6)
    watch_dog_mode: int = uint32()
    watch_dog_control: int = uint32()
    count_lo: int = uint32()
    count_hi: int = uint32()
    count_ctl: int = uint32()
    timers: list[Ptimer | None] = array_of_pointer(Ptimer, 6, name="timer")
