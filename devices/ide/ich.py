"""The AHCI controller of the ICH9.

Facts from QEMU's hw/ide/ich.c.
"""

from __future__ import annotations

from devices.ide.ahci import AHCI, AHCI_9_0
from devices.pci.device import PCIDevice
from vmstate.vmsd.declare import description, struct, variant


@description("ich9_ahci", version_id=1)
class ICH9AHCI:
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    ahci: AHCI = struct(AHCI)


ICH9_AHCI_9_0 = variant(ICH9AHCI, ahci=struct(AHCI_9_0))
"""With the AHCI controller of 9.0."""
