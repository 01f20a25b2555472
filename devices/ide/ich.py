"""The AHCI controller of the ICH9.

Facts from QEMU's hw/ide/ich.c.
"""

from __future__ import annotations

from devices.ide.ahci import AHCI
from devices.pci.device import PCIDevice
from vmstate.description.declare import description, struct


@description("ich9_ahci", version_id=1)
class ICH9AHCI:
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    ahci: AHCI = struct(AHCI)
