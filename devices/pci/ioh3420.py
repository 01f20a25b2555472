"""The Intel 7500 root port.

Facts from QEMU's hw/pci-bridge/ioh3420.c.
"""

from __future__ import annotations

from vmstate.declare import MigrationPriority, VMState, description, device, struct
from vmstate.devices.pci.aer import PCIEAERLog
from vmstate.devices.pci.device import PCIDevice


@device("ioh-3240-express-root-port", models="vmstate.devices.pci.models:IOH3420")
@description("ioh-3240-express-root-port", version_id=1, minimum_version_id=1, priority=MigrationPriority.PCI_BUS)
class IOH3420(VMState):
    """The port, and the errors that wait to be reported."""

    pci_device: PCIDevice = struct(PCIDevice, name="parent_obj.parent_obj.parent_obj")
    aer_log: PCIEAERLog = struct(PCIEAERLog, name="parent_obj.parent_obj.parent_obj.exp.aer_log")
