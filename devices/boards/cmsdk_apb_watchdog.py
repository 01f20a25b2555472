"""The watchdog of Arm's Cortex-M System Design Kit.

Facts from QEMU's hw/watchdog/cmsdk-apb-watchdog.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32, variant
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.ptimer import Ptimer


@device("cmsdk-apb-watchdog")
@description("cmsdk-apb-watchdog", version_id=2, minimum_version_id=2)
class CmsdkApbWatchdog(VMState):
    """The clock, the timer and the registers."""

    wdogclk: Clock | None = struct(Clock)
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    control: int = uint32()
    intstatus: int = uint32()
    lock: int = uint32()
    itcr: int = uint32()
    itop: int = uint32()
    resetstatus: int = uint32()


CMSDK_APB_WATCHDOG_5_2 = variant(CmsdkApbWatchdog, None, 1, wdogclk=None)
"""Of 5.2."""
