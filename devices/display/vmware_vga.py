"""The VMware SVGA adapter.

Facts from QEMU's hw/display/vmware_vga.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, int32, int32_equal, struct, uint32, unused, varray
from vmstate.devices.pci.device import PCIDevice


@description("vmware_vga_internal")
class VMSVGAChip(VMState):
    """Registers of the adapter."""

    new_depth: int = int32_equal()
    enable: int = int32()
    config: int = int32()
    cursor_id: int = int32(name="cursor.id")
    cursor_x: int = int32(name="cursor.x")
    cursor_y: int = int32(name="cursor.y")
    cursor_on: int = int32(name="cursor.on")
    index: int = int32()
    scratch: list[int] = varray(uint32, count=32768, private=CONTENTS)
    new_width: int = int32()
    new_height: int = int32()
    guest: int = uint32()
    svgaid: int = uint32()
    syncing: int = int32()
    unused_0: None = unused(4)


@device("vmware_vga", models="vmstate.devices.display.models:VMWARE")
@description("vmware_vga")
class VMSVGA(VMState):
    """The PCI function and the adapter in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    chip: VMSVGAChip = struct(VMSVGAChip)
