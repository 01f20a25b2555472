"""A display of 128 times 80 points on an SPI bus: Solomon Systech's SSD0323.

Facts from QEMU's hw/display/ssd0323.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, buffer, description, device, int32, struct, uint32
from vmstate.devices.boards.ssi import SSIPeripheral


@device("ssd0323_oled")
@description("ssd0323_oled", version_id=2, minimum_version_id=2)
class Ssd0323Oled(VMState):
    """The command under way, where the next byte goes, settings, and the picture."""

    cmd_len: int = uint32()
    cmd: int = int32()
    cmd_data: list[int] = array(int32, 8, private=CONTENTS)
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
    ssidev: SSIPeripheral = struct(SSIPeripheral)
