"""The Intel 82441FX host bridge of the PC machine.

Facts from QEMU's hw/pci-host/i440fx.c.
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
