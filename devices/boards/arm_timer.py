"""Arm's dual timer SP804, and the timers that it and Integrator are made of.

Facts from QEMU's hw/timer/arm_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device("arm_timer")
@description("arm_timer", version_id=1, minimum_version_id=1)
class ArmTimer(VMState):
    """A timer."""

    control: int = uint32()
    limit: int = uint32()
    int_level: int = int32()
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)


@device("sp804")
@description("sp804", version_id=1, minimum_version_id=1)
class Sp804(VMState):
    """Which of its two timers interrupt."""

    level: list[int] = array(int32, 2)
