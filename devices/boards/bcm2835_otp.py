"""Non-volatile memory of Broadcom's BCM2835 to BCM2838: bcm2835-otp.

Facts from QEMU's hw/nvram/bcm2835_otp.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("bcm2835-otp")
@description("bcm2835-otp", version_id=1, minimum_version_id=1)
class Bcm2835Otp(VMState):
    """Non-volatile memory of Broadcom's BCM2835 to BCM2838."""

    otp_rows: list[int] = array(uint32, 66)
