"""A periodic timer, as devices carry it.

Facts from QEMU's hw/core/ptimer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, int64, part, timer, uint8, uint32, uint64


@part(noise={"timer": ("delta", "last_event", "next_event")})
@description("ptimer", version_id=1, minimum_version_id=1)
class Ptimer(VMState):
    """A down-counter that is reloaded from its limit."""

    enabled: int = uint8()
    limit: int = uint64()
    delta: int = uint64()
    period_frac: int = uint32()
    period: int = int64()
    last_event: int = int64()
    next_event: int = int64()
    timer_: int = timer(name="timer")
