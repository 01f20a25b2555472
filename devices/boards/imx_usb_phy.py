"""A USB controller of NXP's i.MX: imx.usbphy.

Facts from QEMU's hw/usb/imx-usb-phy.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx.usbphy")
@description("imx.usbphy", version_id=1, minimum_version_id=1)
class ImxUsbphy(VMState):
    """A USB controller of NXP's i.MX."""

    usbphy: list[int] = array(uint32, 33)
