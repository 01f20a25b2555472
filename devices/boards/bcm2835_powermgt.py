"""The power management of Broadcom's BCM2835: reset and watchdog.

Facts from QEMU's hw/misc/bcm2835_powermgt.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("bcm2835-powermgt")
@description("bcm2835-powermgt", version_id=1, minimum_version_id=1)
class Bcm2835Powermgt(VMState):
    """Registers."""

    rstc: int = uint32()
    rsts: int = uint32()
    wdog: int = uint32()
