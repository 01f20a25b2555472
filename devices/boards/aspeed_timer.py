"""The eight timers of Aspeed's SoCs.

Facts from QEMU's hw/timer/aspeed_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, part, timer, uint8, uint32


@part(noise={"timer": ("timer",)})
@description("aspeed.timer", version_id=2, minimum_version_id=2)
class AspeedTimer(VMState):
    """A timer: when it fires, what it is reloaded with and compared with."""

    id: int = uint8()
    level: int = int32()
    timer_: int = timer(name="timer")
    reload: int = uint32()
    match: list[int] = array(uint32, 2)


@device("aspeed.timerctrl")
@description("aspeed.timerctrl", version_id=2, minimum_version_id=2)
class AspeedTimerctrl(VMState):
    """Control, which interrupt, and the timers."""

    ctrl: int = uint32()
    ctrl2: int = uint32()
    ctrl3: int = uint32()
    irq_sts: int = uint32()
    timers: list[AspeedTimer] = array(AspeedTimer, 8, version=1)
