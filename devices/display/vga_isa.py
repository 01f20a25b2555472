"""The VGA on the ISA bus, of releases after 10.2.

Facts from QEMU's hw/display/vga-isa.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.display.vga import VGACommon


@device("vga-isa", models="vmstate.devices.display.models:VGA_ISA")
@description("vga-isa", version_id=1, minimum_version_id=0)
class VGAISA(VMState):
    """The VGA in it."""

    state: VGACommon = struct(VGACommon)
