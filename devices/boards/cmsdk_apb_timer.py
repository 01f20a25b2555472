"""The timer of Arm's Cortex-M System Design Kit.

Facts from QEMU's hw/timer/cmsdk-apb-timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32, variant
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.ptimer import Ptimer


@device("cmsdk-apb-timer")
@description("cmsdk-apb-timer", version_id=2, minimum_version_id=2)
class CmsdkApbTimer(VMState):
    """The timer, its clock and its registers."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    pclk: Clock | None = struct(Clock)
    ctrl: int = uint32()
    value: int = uint32()
    reload: int = uint32()
    intstatus: int = uint32()


CMSDK_APB_TIMER_5_2 = variant(CmsdkApbTimer, None, 1, pclk=None)
"""Of 5.2."""
