"""The PCI host bridge of `40p`.

Facts from QEMU's hw/pci-host/raven.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice


@device("raven")
@description("raven")
class Raven(VMState):
    """The bridge, as it shows itself on its bus."""

    dev: PCIDevice = struct(PCIDevice)
