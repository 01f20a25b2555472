"""The timers of Intel's PXA2xx and StrongARM.

Facts from QEMU's hw/timer/pxa2xx_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, fact, int32, part, struct, uint32, uint64

TM4 = fact("pxa2xx_timer_tm4", (False, True))
"""Whether there are eight more timers: a PXA27x has them, a PXA25x and a StrongARM do not."""


@description("pxa2xx_timer0", version_id=2, minimum_version_id=2)
class Timer0(VMState):
    """When a timer matches."""

    value: int = uint32()


@part(noise={"timer": ("lastload",)})
@description("pxa2xx_timer4", version_id=1, minimum_version_id=1)
class Timer4(VMState):
    """A timer with a clock of its own."""

    tm: Timer0 = struct(Timer0, version=1)
    oldclock: int = int32()
    clock: int = int32()
    lastload: int = uint64()
    freq: int = uint32()
    control: int = uint32()


@device("pxa2xx_timer", noise={"timer": ("lastload",)})
@description("pxa2xx_timer", version_id=1, minimum_version_id=1)
class PXA2xxTimer(VMState):
    """The clock, the timers and their interrupts."""

    clock: int = int32()
    oldclock: int = int32()
    lastload: int = uint64()
    timers: list[Timer0] = array(Timer0, 4, name="timer", version=1)
    events: int = uint32()
    irq_enabled: int = uint32()
    reset3: int = uint32()
    snapshot: int = uint32()
    tm4: list[Timer4] | None = array(Timer4, 8, exists=TM4)
