"""The global timer of Arm's Cortex-A9, which its processors share.

Facts from QEMU's hw/timer/a9gtimer.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    device,
    fact,
    known_since,
    subsection,
    timer,
    uint32,
    uint64,
    varray,
)

NUM_CPU = fact("arm_cortex_a9_global_timer_num_cpu", (1, 2))
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
    per_cpu: list[ArmCortexA9GlobalTimerPercpu] = varray(ArmCortexA9GlobalTimerPercpu, count=NUM_CPU, version=1)
    arm_cortex_a9_global_timer_control: ArmCortexA9GlobalTimerControl | None = subsection(ArmCortexA9GlobalTimerControl)
