"""The xHCI controller on the PCI bus.

Facts from QEMU's hw/usb/hcd-xhci-pci.c.
"""

from __future__ import annotations

from vmstate.declare import Release, VMState, description, device, len_, rule, struct, this
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of
from vmstate.devices.usb.xhci import XHCI
from vmstate.vmsd.destination import Comparison

# xhci_pci_vmstate_post_load gives up the vector of each interrupter that uses none; from 7.2 on only one that there is.
_HAS_VECTORS = rule(
    "xhci-vectors",
    len_(this.xhci.intr) <= len_(this.msix.msix.table),
    "the controller has an MSI-X vector for each of its interrupters: QEMU ends by an assertion where it has not "
    "(a defect of QEMU's)",
    since=Release(7, 2),
    qemu_error="Assertion `vector < dev->msix_entries_nr' failed",
    advice="leave msix=off out on both sides",
)


@device(
    "xhci",
    models="vmstate.devices.usb.models:XHCI",
    early_copy="vmstate.devices.early_copies:NEEDS_MEMORY",
    compares=Comparison(refuses_itself={b"": Release(1 << 30, 0)}),
)
@description("xhci", version_id=1, rules=(_HAS_VECTORS,))
class XHCIPCI(VMState):
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    xhci: XHCI = struct(XHCI, version=1)
