"""A display controller: ssd0323_oled.

Facts from QEMU's hw/display/ssd0323.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, buffer, description, device, int32, struct, uint32


@description("SSISlave", version_id=1, minimum_version_id=1)
class SSISlave(VMState):
    """The `SSISlave`."""

    cs: bool = boolean()


@device("ssd0323_oled")
@description("ssd0323_oled", version_id=2, minimum_version_id=2)
class Ssd0323Oled(VMState):
    """A display controller."""

    cmd_len: int = uint32()
    cmd: int = int32()
    cmd_data: list[int] = array(int32, 8)
    row: int = int32()
    row_start: int = int32()
    row_end: int = int32()
    col: int = int32()
    col_start: int = int32()
    col_end: int = int32()
    redraw: int = int32()
    remap: int = int32()
    mode: int = uint32()
    framebuffer: bytes = buffer(5120)
    ssidev: SSISlave = struct(SSISlave)
