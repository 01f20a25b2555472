"""Two or four serial ports on the PCI bus: pci-serial-2x and pci-serial-4x.

Facts from QEMU's hw/char/serial-pci-multi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.char.serial import Serial
from vmstate.devices.pci.device import PCIDevice


@device("pci-serial-multi", noise={"interrupt": ("level",)})
@description("pci-serial-multi", version_id=1, minimum_version_id=1)
class PCIMultiSerial(VMState):
    """The PCI function, room for four ports whether there are two or four, and which of them interrupt."""

    dev: PCIDevice = struct(PCIDevice)
    state: list[Serial] = array(Serial, 4)
    level: list[int] = array(uint32, 4)
