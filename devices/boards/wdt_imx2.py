"""A watchdog of NXP's i.MX: imx2.wdt.

Facts from QEMU's hw/watchdog/wdt_imx2.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, struct, uint16
from vmstate.devices.core.ptimer import Ptimer


@device("imx2.wdt")
@description("imx2.wdt")
class Imx2Wdt(VMState):
    """A watchdog of NXP's i.MX."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    itimer: Ptimer = struct(Ptimer, version=1)
    wicr_locked: bool = boolean()
    wcr_locked: bool = boolean()
    wcr_wde_locked: bool = boolean()
    wcr_wdt_locked: bool = boolean()
    wcr: int = uint16()
    wsr: int = uint16()
    wrsr: int = uint16()
    wmcr: int = uint16()
    wicr: int = uint16()
