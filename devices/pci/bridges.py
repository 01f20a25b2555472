"""Bridges to PCI: from PCI, from PCI Express, and the one in the ICH9 from the root of PCI Express.

Facts from QEMU's hw/pci-bridge/pci_bridge_dev.c, pcie_pci_bridge.c, i82801b11.c.
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


@device("pcie-pci-bridge", models="vmstate.devices.pci.models:PCIE_PCI_BRIDGE")
@description("pcie-pci-bridge", priority=MigrationPriority.PCI_BUS)
class PCIEPCIBridge(VMState):
    """The bridge and its hotplug controller."""

    parent_obj: PCIDevice = struct(PCIDevice)
    shpc: bytes = shpc_config()


@device("i82801b11_bridge", models="vmstate.devices.pci.models:I82801B11")
@description("i82801b11_bridge", priority=MigrationPriority.PCI_BUS)
class I82801B11Bridge(VMState):
    """The bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
