"""The watchdog of Allwinner's SoCs.

Facts from QEMU's hw/watchdog/allwinner-wdt.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device("allwinner-wdt")
@description("allwinner-wdt", version_id=1, minimum_version_id=1)
class AllwinnerWdt(VMState):
    """The timer, and registers."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    regs: list[int] = array(uint32, 5)
