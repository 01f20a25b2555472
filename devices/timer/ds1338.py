"""The clock DS1338 on the I2C bus.

Facts from QEMU's hw/rtc/ds1338.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    int32,
    int64,
    struct,
    uint8,
)
from vmstate.devices.i2c.core import I2CSlave


@device("ds1338", noise={"timer": (("nvram", (0, 7)),)})
@description("ds1338", version_id=2, minimum_version_id=1)
class DS1338(VMState):
    """How far it is from the host's clock, its registers, and the place in them."""

    parent_obj: I2CSlave = struct(I2CSlave)
    offset: int = int64()
    wday_offset: int = uint8(version=2)
    nvram: list[int] = array(uint8, 64, private=CONTENTS)
    ptr: int = int32()
    addr_byte: bool = boolean()
