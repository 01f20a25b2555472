"""DEC's bridge between two PCI buses: dec-21154-p2p-bridge, up to 9.1.

Facts from QEMU's hw/pci-bridge/dec.c.
"""

from __future__ import annotations

from vmstate.declare import description, device
from vmstate.devices.pci.device import PCIDevice


@device("PCIDevice")
@description("PCIDevice", version_id=2, minimum_version_id=1)
class DEC21154(PCIDevice):
    """The bridge: nothing but what every PCI device has."""
