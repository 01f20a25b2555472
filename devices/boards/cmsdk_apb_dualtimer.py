"""The dual timer of Arm's Cortex-M System Design Kit.

Facts from QEMU's hw/timer/cmsdk-apb-dualtimer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32, variant
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.ptimer import Ptimer


@description("cmsdk-apb-dualtimer-module", version_id=1, minimum_version_id=1)
class CmsdkApbDualtimerModule(VMState):
    """A timer."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    load: int = uint32()
    value: int = uint32()
    control: int = uint32()
    intstatus: int = uint32()


@device("cmsdk-apb-dualtimer")
@description("cmsdk-apb-dualtimer", version_id=2, minimum_version_id=2)
class CmsdkApbDualtimer(VMState):
    """The clock, the two timers, and the registers for tests."""

    timclk: Clock | None = struct(Clock)
    timermod: list[CmsdkApbDualtimerModule] = array(CmsdkApbDualtimerModule, 2, version=1)
    timeritcr: int = uint32()
    timeritop: int = uint32()


CMSDK_APB_DUALTIMER_5_2 = variant(CmsdkApbDualtimer, None, 1, timclk=None)
"""Of 5.2."""
