"""Ricoh's real-time clock RS5C372, on an I2C bus.

Facts from QEMU's hw/rtc/rs5c372.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int64, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("rs5c372")
@description("rs5c372", version_id=1, minimum_version_id=1)
class RS5C372(VMState):
    """Its time as an offset from the host's, and its registers.

    QEMU declares a field `wday_offset` of version 2, which the description's version 1 never sends.
    """

    parent_obj: I2CSlave = struct(I2CSlave)
    offset: int = int64()
    nvram: list[int] = array(uint8, 16)
    ptr: int = uint8()
    tx_format: int = uint8()
    addr_byte: bool = boolean()
