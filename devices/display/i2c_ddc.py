"""The display data channel, through which a guest reads what the monitor can do.

Facts from QEMU's hw/display/i2c-ddc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint8


@device("i2c-ddc")
@description("i2c-ddc", version_id=1)
class I2CDDC(VMState):
    """The position in the data."""

    firstbyte: bool = boolean()
    reg: int = uint8()
