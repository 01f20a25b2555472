"""A display of 96 times 16 points on an I2C bus: Solomon Systech's SSD0303.

Facts from QEMU's hw/display/ssd0303.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, int32, struct, uint32
from vmstate.devices.i2c.core import I2CSlave


@device("ssd0303_oled")
@description("ssd0303_oled", version_id=1, minimum_version_id=1)
class Ssd0303Oled(VMState):
    """Where the next byte goes, settings, and the picture."""

    row: int = int32()
    col: int = int32()
    start_line: int = int32()
    mirror: int = int32()
    flash: int = int32()
    enabled: int = int32()
    inverse: int = int32()
    redraw: int = int32()
    mode: int = uint32()
    cmd_state: int = uint32()
    framebuffer: bytes = buffer(1056)
    parent_obj: I2CSlave = struct(I2CSlave)
