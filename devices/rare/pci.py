"""Devices on the PCI bus.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int32, struct, uint32
from vmstate.devices.char.serial import Serial
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of

# DEC's bridge between two PCI buses: dec-21154-p2p-bridge, up to 9.1 (hw/pci-bridge/dec.c).


@device("PCIDevice")
@description("PCIDevice", version_id=2, minimum_version_id=1)
class DEC21154(PCIDevice):
    """The bridge: nothing but what every PCI device has."""


# Two or four serial ports on the PCI bus: pci-serial-2x and pci-serial-4x (hw/char/serial-pci-multi.c).


@device("pci-serial-multi", models="vmstate.devices.char.models:PCI_SERIAL_MULTI", noise={"interrupt": ("level",)})
@description("pci-serial-multi", version_id=1, minimum_version_id=1)
class PCIMultiSerial(VMState):
    """The PCI function, room for four ports whether there are two or four, and which of them interrupt."""

    dev: PCIDevice = struct(PCIDevice)
    state: list[Serial] = array(Serial, 4)
    level: list[int] = array(uint32, 4)


# A device of the host's that outlives QEMU while QEMU is replaced (CPR) (hw/vfio/cpr.c).


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
