"""The standard VGA of the PCI bus, and the adapter without VGA compatibility.

Facts from QEMU's hw/display/vga-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.display.vga import VGACommon
from vmstate.devices.pci.device import PCIDevice


@device(
    "vga",
    models="vmstate.devices.display.models:VGA",
    listed=False,
    early_copy="vmstate.devices.early_copies:AGAIN",
)
@description("vga", version_id=2, minimum_version_id=2)
class PCIVGA(VMState):
    """The PCI function and the VGA in it."""

    dev: PCIDevice = struct(PCIDevice)
    vga: VGACommon = struct(VGACommon)
