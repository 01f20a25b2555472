"""A device of the host's that outlives QEMU while QEMU is replaced (CPR).

Facts from QEMU's hw/vfio/cpr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, int32, struct, uint32
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of


@description("vfio-cpr-intx")
class VFIOIntx(VMState):
    """The interrupt line: whether it is up, and where it goes."""

    pending: bool = boolean()
    route_mode: int = uint32(name="route.mode")
    route_irq: int = int32(name="route.irq")


@device("vfio-cpr-pci")
@description("vfio-cpr-pci")
class VFIOCprPCI(VMState):
    """The PCI function, its MSI-X table where it has one, and its interrupt line."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    intx: VFIOIntx = struct(VFIOIntx)
