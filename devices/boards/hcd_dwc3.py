"""The USB controller of DesignWare (DWC3): what it has beside an xHCI.

Facts from QEMU's hw/usb/hcd-dwc3.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32, variant


@device("usb-dwc3")
@description("usb-dwc3", version_id=1)
class UsbDwc3(VMState):
    """Registers, and how the controller was configured."""

    regs: list[int] = array(uint32, 384)
    cfg_mode: int = uint8(name="cfg.mode")
    cfg_dwc_usb3_user: int = uint32(name="cfg.dwc_usb3_user")


USB_DWC3_7_2 = variant(UsbDwc3, regs=array(uint32, 333))
"""Up to 7.2 at least."""
