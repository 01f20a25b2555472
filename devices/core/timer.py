"""The clocks of the machine, which stand still while it is stopped.

Facts from QEMU's system/cpu-timers.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    allocated,
    description,
    device,
    int16,
    int64,
    part,
    subsection,
    timer,
    unused,
    variant,
)

ICOUNT = allocated("timer of instruction counting", "give both sides the same -icount, or neither one")
ADJUSTED = allocated(
    "timers that adjust the speed of instruction counting",
    "give both sides the same -icount: these timers come with shift=auto",
)


@part(noise={"timer": ("vm_clock_warp_start",)})
@description("timer/icount/warp_timer", version_id=1, minimum_version_id=1, rules=(ICOUNT,))
class WarpTimer(VMState):
    """The timer that warps the clock while all processors sleep."""

    vm_clock_warp_start: int = int64()
    icount_warp_timer: int = timer()


@description("timer/icount/timers", version_id=1, minimum_version_id=1, rules=(ADJUSTED,))
class AdjustTimers(VMState):
    """The timers that adjust the speed."""

    icount_rt_timer: int = timer()
    icount_vm_timer: int = timer()


@part(noise={"timer": ("last_delta",)})
@description("timer/icount/shift", version_id=2, minimum_version_id=2)
class Shift(VMState):
    """The speed where it adapts itself."""

    icount_time_shift: int = int16()
    last_delta: int = int64()


@part(noise={"timer": ("qemu_icount_bias",), "counter": ("qemu_icount",)})
@description("timer/icount", version_id=1, minimum_version_id=1)
class Icount(VMState):
    """Instruction counting (-icount)."""

    qemu_icount_bias: int = int64()
    qemu_icount: int = int64()
    warp_timer: WarpTimer | None = subsection(WarpTimer)
    timers: AdjustTimers | None = subsection(AdjustTimers)
    shift: Shift | None = subsection(Shift)


@device(
    "timer",
    listed=False,
    noise={"timer": ("cpu_ticks_offset", "cpu_clock_offset")},
    early_copy="vmstate.devices.early_copies:CLOCK",
)
@description("timer", version_id=2, minimum_version_id=1)
class Timers(VMState):
    """Offsets of the time-stamp counter and of the virtual clock, in ticks and nanoseconds."""

    cpu_ticks_offset: int = int64()
    unused_0: None = unused(8)
    cpu_clock_offset: int = int64(version=2)
    icount: Icount | None = subsection(Icount)


SHIFT_5_2 = variant(Shift, None, 1, last_delta=None)
ICOUNT_5_2 = variant(Icount, shift=SHIFT_5_2)
TIMERS_5_2 = variant(Timers, icount=ICOUNT_5_2)
"""Up to 5.2 the speed alone is sent, at version 1, which later releases refuse."""
