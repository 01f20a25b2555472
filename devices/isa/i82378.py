"""The bridge from PCI to ISA of `40p`.

Facts from QEMU's hw/isa/i82378.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice


@device("pci-i82378")
@description("pci-i82378")
class I82378(VMState):
    """The bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
