"""The OHCI controller on the PCI bus.

Facts from QEMU's hw/usb/hcd-ohci-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.usb.ohci import OHCIState


@device("ohci", models="vmstate.devices.usb.models:OHCI")
@description("ohci", version_id=1, minimum_version_id=1)
class OHCIPCI(VMState):
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    state: OHCIState = struct(OHCIState, version=1)
