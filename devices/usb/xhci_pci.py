"""The xHCI controller on the PCI bus.

Facts from QEMU's hw/usb/hcd-xhci-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of
from vmstate.devices.usb.xhci import XHCI


@device("xhci", models="vmstate.devices.usb.models:XHCI", early_copy="vmstate.devices.early_copies:NEEDS_MEMORY")
@description("xhci", version_id=1)
class XHCIPCI(VMState):
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    xhci: XHCI = struct(XHCI, version=1)
