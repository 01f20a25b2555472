"""The timers of Microsemi's SmartFusion2.

Facts from QEMU's hw/timer/mss-timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@description("mss-timer-block", version_id=1, minimum_version_id=1)
class MssTimerBlock(VMState):
    """A timer."""

    ptimer: Ptimer = struct(Ptimer, version=1)
    regs: list[int] = array(uint32, 6)


@device("mss-timer")
@description("mss-timer", version_id=1, minimum_version_id=1)
class MssTimer(VMState):
    """The frequency in Hz, and the two timers."""

    freq_hz: int = uint32()
    timers: list[MssTimerBlock] = array(MssTimerBlock, 2)
