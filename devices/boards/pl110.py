"""Arm's display controllers PL110 and PL111.

Facts from QEMU's hw/display/pl110.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, uint32


@device("pl110")
@description("pl110", version_id=2, minimum_version_id=1)
class Pl110(VMState):
    """Registers, the picture's size, and the palette."""

    version: int = int32()
    timing: list[int] = array(uint32, 4)
    cr: int = uint32()
    upbase: int = uint32()
    lpbase: int = uint32()
    int_status: int = uint32()
    int_mask: int = uint32()
    cols: int = int32()
    rows: int = int32()
    bpp: int = uint32()
    invalidate: int = int32()
    palette: list[int] = array(uint32, 256)
    raw_palette: list[int] = array(uint32, 128)
    mux_ctrl: int = uint32(version=2)
