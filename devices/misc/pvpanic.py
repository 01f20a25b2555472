"""The device by which a guest reports a crash, on the PCI bus.

Facts from QEMU's hw/misc/pvpanic-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice


@device("pvpanic-pci", models="vmstate.devices.misc.models:PVPANIC")
@description("pvpanic-pci", version_id=1, minimum_version_id=1)
class PVPanicPCI(VMState):
    """The PCI function."""

    dev: PCIDevice = struct(PCIDevice)
