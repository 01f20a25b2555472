"""The bridge from the root of PCI Express to PCI that is in the ICH9.

Facts from QEMU's hw/pci-bridge/i82801b11.c.
"""

from __future__ import annotations

from vmstate.declare import MigrationPriority, VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice


@device("i82801b11_bridge", models="vmstate.devices.pci.models:I82801B11")
@description("i82801b11_bridge", priority=MigrationPriority.PCI_BUS)
class I82801B11Bridge(VMState):
    """The bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
