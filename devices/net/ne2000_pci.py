"""The NE2000 on the PCI bus.

Facts from QEMU's hw/net/ne2000-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.net.ne2000 import NE2000
from vmstate.devices.pci.device import PCIDevice


@device("ne2000", models="vmstate.devices.net.models:NE2000_PCI")
@description("ne2000", version_id=3, minimum_version_id=3)
class PCINE2000(VMState):
    """The PCI function and the card in it."""

    dev: PCIDevice = struct(PCIDevice)
    ne2000: NE2000 = struct(NE2000)
