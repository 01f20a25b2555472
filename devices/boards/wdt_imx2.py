"""The watchdog of NXP's i.MX.

Facts from QEMU's hw/watchdog/wdt_imx2.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint16


@device("imx2.wdt")
@description("imx2.wdt")
class Imx2Wdt(VMState):
    """Registers, and which of them are locked.

    Its two timers are fields of version 1 of a description whose version is 0: QEMU sends them never.
    """

    wicr_locked: bool = boolean()
    wcr_locked: bool = boolean()
    wcr_wde_locked: bool = boolean()
    wcr_wdt_locked: bool = boolean()
    wcr: int = uint16()
    wsr: int = uint16()
    wrsr: int = uint16()
    wmcr: int = uint16()
    wicr: int = uint16()
