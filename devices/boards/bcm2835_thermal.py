"""The temperature sensor of Broadcom's BCM2835.

Facts from QEMU's hw/misc/bcm2835_thermal.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("bcm2835_thermal")
@description("bcm2835_thermal", version_id=1, minimum_version_id=1)
class Bcm2835Thermal(VMState):
    """Its control register."""

    ctl: int = uint32()
