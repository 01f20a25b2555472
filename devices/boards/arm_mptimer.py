"""The private timers of Arm's Cortex-A9 and kin, one of each processor.

Facts from QEMU's hw/timer/arm_mptimer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, fact, struct, uint32, varray
from vmstate.devices.core.ptimer import Ptimer

NUM_CPU = fact("arm_mptimer_num_cpu", (1, 2))
"""What the boards that have the device make of it."""


@description("arm_mptimer_timerblock", version_id=3, minimum_version_id=3)
class ArmMptimerTimerblock(VMState):
    """A timer of a processor."""

    control: int = uint32()
    status: int = uint32()
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)


@device("arm_mptimer")
@description("arm_mptimer", version_id=3, minimum_version_id=3)
class ArmMptimer(VMState):
    """The timers."""

    timerblock: list[ArmMptimerTimerblock] = varray(ArmMptimerTimerblock, count=NUM_CPU, version=3)
