"""A bridge from RGB to HDMI on an I2C bus: Silicon Image's SiI9022.

Facts from QEMU's hw/display/sii9022.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("sii9022")
@description("sii9022", version_id=1, minimum_version_id=1)
class Sii9022(VMState):
    """Which register comes next, and the display data channel."""

    parent_obj: I2CSlave = struct(I2CSlave)
    ptr: int = uint8()
    addr_byte: bool = boolean()
    ddc_req: bool = boolean()
    ddc_skip_finish: bool = boolean()
    ddc: bool = boolean()
