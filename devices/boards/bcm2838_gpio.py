"""The general-purpose lines of Broadcom's BCM2838.

Facts from QEMU's hw/gpio/bcm2838_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@device("bcm2838_gpio")
@description("bcm2838_gpio", version_id=1, minimum_version_id=1)
class Bcm2838Gpio(VMState):
    """General-purpose lines of Broadcom's BCM2835 to BCM2838."""

    fsel: list[int] = array(uint8, 58)
    lev0: int = uint32()
    lev1: int = uint32()
    sd_fsel: int = uint8()
    pup_cntrl_reg: list[int] = array(uint32, 4)
