"""What belongs to a Cortex-A9.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    device,
    fact,
    known_since,
    struct,
    subsection,
    timer,
    uint32,
    uint64,
    varray,
)
from vmstate.devices.core.ptimer import Ptimer

# The global timer of Arm's Cortex-A9, which its processors share (hw/timer/a9gtimer.c).

GLOBAL_TIMER_NUM_CPU = fact("arm_cortex_a9_global_timer_num_cpu", (1, 2))
"""What the boards that have the device make of it."""


@description("arm.cortex-a9-global-timer.percpu", version_id=1, minimum_version_id=1)
class ArmCortexA9GlobalTimerPercpu(VMState):
    """What a processor has of the timer: control, comparator, status and increment."""

    control: int = uint32()
    compare: int = uint64()
    status: int = uint32()
    inc: int = uint32()


@description(
    "arm.cortex-a9-global-timer.control", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 0)),)
)
class ArmCortexA9GlobalTimerControl(VMState):
    """A copy of the control register; sent where it is not 0."""

    control: int = uint32()


@device(
    "arm.cortex-a9-global-timer",
    noise={
        "timer": (
            "timer",
            "counter",
            "ref_counter",
            "cpu_ref_time",
        )
    },
)
@description("arm.cortex-a9-global-timer", version_id=1, minimum_version_id=1)
class ArmCortexA9GlobalTimer(VMState):
    """The counter, when it was looked at, and the part of each processor."""

    timer_: int = timer(name="timer")
    counter: int = uint64()
    ref_counter: int = uint64()
    cpu_ref_time: int = uint64()
    per_cpu: list[ArmCortexA9GlobalTimerPercpu] = varray(
        ArmCortexA9GlobalTimerPercpu, count=GLOBAL_TIMER_NUM_CPU, version=1
    )
    arm_cortex_a9_global_timer_control: ArmCortexA9GlobalTimerControl | None = subsection(ArmCortexA9GlobalTimerControl)


# The snoop control unit of Arm's Cortex-A9 (hw/misc/a9scu.c).


@device("a9-scu")
@description("a9-scu", version_id=1, minimum_version_id=1)
class A9Scu(VMState):
    """Control, and the power status of the processors."""

    control: int = uint32()
    status: int = uint32()


# The private timers of Arm's Cortex-A9 and kin, one of each processor (hw/timer/arm_mptimer.c).

MPTIMER_NUM_CPU = fact("arm_mptimer_num_cpu", (1, 2))
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

    timerblock: list[ArmMptimerTimerblock] = varray(ArmMptimerTimerblock, count=MPTIMER_NUM_CPU, version=3)
