"""The paravirtual graphics card of SPICE.

Facts from QEMU's hw/display/qxl.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    description,
    device,
    int32,
    int32_equal,
    struct,
    subsection,
    this,
    uint32,
    uint64,
    varray,
)
from vmstate.devices.display.vga import VGACommon
from vmstate.devices.pci.device import PCIDevice


@description("qxl-memslot", version_id=21, minimum_version_id=21)
class QXLMemorySlot(VMState):
    """Memory that the guest shares with the card."""

    mem_start: int = uint64(name="slot.mem_start")
    mem_end: int = uint64(name="slot.mem_end")
    active: int = uint32()


@description("qxl-surface", version_id=21, minimum_version_id=21)
class QXLSurface(VMState):
    """A surface as the guest created it."""

    width: int = uint32()
    height: int = uint32()
    stride: int = int32()
    format: int = uint32()
    position: int = uint32()
    mouse_mode: int = uint32()
    flags: int = uint32()
    type: int = uint32()
    mem: int = uint64()


@description("qxl/monitors-config", version_id=1, minimum_version_id=1, needed=this.guest_monitors_config != 0)
class QXLMonitorsConfig(VMState):
    """Where the guest has the layout of its monitors; sent where it has one."""

    guest_monitors_config: int = uint64()


@device("qxl", models="vmstate.devices.display.models:QXL", noise={"counter": ("ssd.unique",)})
@description("qxl", version_id=21, minimum_version_id=21)
class QXL(VMState):
    """The PCI function, the VGA in it, memory slots and surfaces."""

    pci: PCIDevice = struct(PCIDevice)
    vga: VGACommon = struct(VGACommon)
    shadow_rom_mode: int = uint32(name="shadow_rom.mode")
    num_free_res: int = uint32()
    last_release_offset: int = uint32()
    mode: int = uint32()
    unique: int = uint32(name="ssd.unique")
    num_memslots: int = int32_equal()
    guest_slots: list[QXLMemorySlot] = array(QXLMemorySlot, 8)
    surface: QXLSurface = struct(QXLSurface, name="guest_primary.surface")
    num_surfaces: int = int32_equal(name="ssd.num_surfaces")
    cmds: list[int] = varray(uint64, count=this.num_surfaces, name="guest_surfaces.cmds")
    guest_cursor: int = uint64()
    monitors_config: QXLMonitorsConfig | None = subsection(QXLMonitorsConfig)
