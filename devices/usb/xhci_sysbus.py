"""The xHCI controller of boards, without PCI.

Facts from QEMU's hw/usb/hcd-xhci-sysbus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.usb.xhci import XHCI


@device("xhci-sysbus")
@description("xhci-sysbus", version_id=1)
class XHCISysbus(VMState):
    """The controller."""

    xhci: XHCI = struct(XHCI, version=1)
