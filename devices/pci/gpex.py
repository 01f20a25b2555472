"""The root of the generic PCI Express host bridge.

Facts from QEMU's hw/pci-host/gpex.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.pci.device import PCIDevice


@device("gpex_root")
@description("gpex_root", version_id=1, minimum_version_id=1)
class GPEXRoot(VMState):
    """The host bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)
