"""The general-purpose timers of TI's Stellaris.

Facts from QEMU's hw/timer/stellaris-gptm.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    array_of_pointer,
    description,
    device,
    int64,
    struct,
    timer,
    uint32,
    unused,
    variant,
)
from vmstate.devices.core.clock import Clock


@device("stellaris_gptm", noise={"timer": ("tick", "timer")})
@description("stellaris_gptm", version_id=2, minimum_version_id=2)
class GPTM(VMState):
    """Registers of a pair of timers, and when they fire."""

    config: int = uint32()
    mode: list[int] = array(uint32, 2)
    control: int = uint32()
    state: int = uint32()
    mask: int = uint32()
    unused_0: None = unused(8, name="unused")
    load: list[int] = array(uint32, 2)
    match: list[int] = array(uint32, 2)
    prescale: list[int] = array(uint32, 2)
    match_prescale: list[int] = array(uint32, 2)
    rtc: int = uint32()
    tick: list[int] = array(int64, 2)
    timers: list[int | None] = array_of_pointer(timer, 2, name="timer")
    clk: Clock | None = struct(Clock)


GPTM_5_2 = variant(GPTM, None, 1, clk=None)
"""Up to 5.2: without the clock."""
