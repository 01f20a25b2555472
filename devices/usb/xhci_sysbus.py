"""The xHCI controller of boards, without PCI.

Facts from QEMU's hw/usb/hcd-xhci-sysbus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, variant, varray
from vmstate.devices.usb.xhci import XHCI, XHCISlot


@device("xhci-sysbus")
@description("xhci-sysbus", version_id=1)
class XHCISysbus(VMState):
    """The controller."""

    xhci: XHCI = struct(XHCI, version=1)


XHCI_OF_DWC3 = variant(XHCI, slots=varray(XHCISlot, count=2, version=1))
XHCI_SYSBUS_DWC3 = variant(XHCISysbus, xhci=struct(XHCI_OF_DWC3, version=1))
"""The controller in DesignWare's DWC3, which has two slots."""
