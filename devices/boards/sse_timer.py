"""A timer of Arm's SSE-300, on the system counter.

Facts from QEMU's hw/timer/sse-timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, timer, uint32, uint64


@device("sse-timer", noise={"timer": ("timer",)})
@description("sse-timer", version_id=1, minimum_version_id=1)
class SseTimer(VMState):
    """The timer, and registers."""

    timer_: int = timer(name="timer")
    cntfrq: int = uint32()
    cntp_ctl: int = uint32()
    cntp_cval: int = uint64()
    cntp_aival: int = uint64()
    cntp_aival_ctl: int = uint32()
    cntp_aival_reload: int = uint32()
