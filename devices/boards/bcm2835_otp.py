"""The words that are written once, of Broadcom's BCM2835.

Facts from QEMU's hw/nvram/bcm2835_otp.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint32


@device("bcm2835-otp")
@description("bcm2835-otp", version_id=1, minimum_version_id=1)
class Bcm2835Otp(VMState):
    """The words, some of them keys."""

    otp_rows: list[int] = array(uint32, 66, private=CONTENTS)
