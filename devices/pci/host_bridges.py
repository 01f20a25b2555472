"""PCI host bridges as they show themselves on their bus.

They are those of the PC (Intel 82441FX) and of Q35 (the memory controller hub), and the generic one of PCI Express.

Facts from QEMU's hw/pci-host/i440fx.c, q35.c, gpex.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, unused
from vmstate.devices.pci.device import PCIDevice


@device("I440FX", early_copy="vmstate.devices.early_copies:STANDS")
@description("I440FX", version_id=3, minimum_version_id=3)
class I440FX(VMState):
    """The host bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
    unused_0: None = unused(1)


@device("mch", early_copy="vmstate.devices.early_copies:STANDS")
@description("mch", version_id=1, minimum_version_id=1)
class MCH(VMState):
    """The host bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
    unused_0: None = unused(1)


@device("gpex_root")
@description("gpex_root", version_id=1, minimum_version_id=1)
class GPEXRoot(VMState):
    """The host bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
