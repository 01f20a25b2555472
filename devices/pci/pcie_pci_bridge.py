"""The bridge from PCI Express to PCI.

Facts from QEMU's hw/pci-bridge/pcie_pci_bridge.c.
"""

from __future__ import annotations

from vmstate.declare import MigrationPriority, VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.shpc import shpc_config


@device("pcie-pci-bridge", models="vmstate.devices.pci.models:PCIE_PCI_BRIDGE")
@description("pcie-pci-bridge", priority=MigrationPriority.PCI_BUS)
class PCIEPCIBridge(VMState):
    """The bridge and its hotplug controller."""

    parent_obj: PCIDevice = struct(PCIDevice)
    shpc: bytes = shpc_config()
