"""The iBASE 700 watchdog.

Facts from QEMU's hw/watchdog/wdt_ib700.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, timer


@device("ib700_wdt", models="vmstate.devices.misc.models:IB700")
@description("ib700_wdt")
class IB700(VMState):
    """The timer."""

    timer_: int = timer(name="timer")
