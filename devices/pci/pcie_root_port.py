"""The generic PCI Express root port.

Facts from QEMU's hw/pci-bridge/gen_pcie_root_port.c.
"""

from __future__ import annotations

from vmstate.declare import MigrationPriority, VMState, description, device, fact, struct
from vmstate.devices.pci.aer import PCIEAERLog
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of

MIGRATE_MSIX = fact(
    "root_port_msix",
    (True, False),
    advice={
        True: "give the destination's port x-migrate-msix=on",
        False: "give the destination's port x-migrate-msix=off",
    },
)
"""Whether MSI-X is sent (`x-migrate-msix`; machines from 2.9 on)."""


@device(
    "pcie-root-port",
    models="vmstate.devices.pci.models:ROOT_PORT",
    early_copy="vmstate.devices.early_copies:STANDS",
)
@description("pcie-root-port", version_id=1, minimum_version_id=1, priority=MigrationPriority.PCI_BUS)
class PCIERootPort(VMState):
    """The port, and the errors that wait to be reported."""

    pci_device: PCIDevice = struct(PCIDevice, name="parent_obj.parent_obj.parent_obj")
    aer_log: PCIEAERLog = struct(PCIEAERLog, name="parent_obj.parent_obj.parent_obj.exp.aer_log")
    msix: MSIX | None = struct(
        msix_of("pci_device"), name="parent_obj.parent_obj.parent_obj.parent_obj", exists=MIGRATE_MSIX
    )
