"""A serial port on the PCI bus.

Facts from QEMU's hw/char/serial-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.char.serial import Serial
from vmstate.devices.pci.device import PCIDevice


@device("pci-serial", models="vmstate.devices.char.models:PCI_SERIAL")
@description("pci-serial", version_id=1, minimum_version_id=1)
class PCISerial(VMState):
    """The PCI function and its port."""

    dev: PCIDevice = struct(PCIDevice)
    state: Serial = struct(Serial)
