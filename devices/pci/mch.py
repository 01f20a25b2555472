"""The Q35 host bridge (memory controller hub).

Facts from QEMU's hw/pci-host/q35.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, unused
from vmstate.devices.pci.device import PCIDevice


@device("mch", early_copy="vmstate.devices.early_copies:STANDS")
@description("mch", version_id=1, minimum_version_id=1)
class MCH(VMState):
    """The host bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
    unused_0: None = unused(1)
