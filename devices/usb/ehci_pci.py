"""The EHCI controller on the PCI bus.

Facts from QEMU's hw/usb/hcd-ehci-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.usb.ehci import EHCI


@device("ehci", models="vmstate.devices.usb.models:EHCI")
@description("ehci", version_id=2, minimum_version_id=1)
class EHCIPCI(VMState):
    """The PCI function and the controller in it."""

    pcidev: PCIDevice = struct(PCIDevice)
    ehci: EHCI = struct(EHCI, version=2)
