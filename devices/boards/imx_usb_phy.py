"""The PHY of USB in NXP's i.MX.

Facts from QEMU's hw/usb/imx-usb-phy.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx.usbphy")
@description("imx.usbphy", version_id=1, minimum_version_id=1)
class ImxUsbphy(VMState):
    """Registers."""

    usbphy: list[int] = array(uint32, 33)
