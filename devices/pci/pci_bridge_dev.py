"""The PCI to PCI bridge.

Facts from QEMU's hw/pci-bridge/pci_bridge_dev.c.
"""

from __future__ import annotations

from vmstate.declare import MigrationPriority, VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.shpc import SHPC_PRESENT, shpc_config


@device(
    "pci_bridge",
    models="vmstate.devices.pci.models:PCI_BRIDGE",
)
@description("pci_bridge", priority=MigrationPriority.PCI_BUS)
class PCIBridgeDev(VMState):
    """The bridge and, where it has one, its hotplug controller."""

    parent_obj: PCIDevice = struct(PCIDevice)
    shpc: bytes | None = shpc_config(exists=SHPC_PRESENT)
