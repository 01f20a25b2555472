"""A temperature sensor on an I2C bus: TI's TMP105.

Facts from QEMU's hw/sensor/tmp105.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int16, struct, subsection, uint8
from vmstate.devices.i2c.core import I2CSlave


@description("TMP105/detect-falling", version_id=1, minimum_version_id=1)
class TMP105DetectFalling(VMState):
    """Whether the alarm waits for the temperature to fall; sent where it does."""

    detect_falling: bool = boolean()


@device("TMP105")
@description("TMP105")
class TMP105(VMState):
    """Registers, the temperature and its limits."""

    len: int = uint8()
    buf: list[int] = array(uint8, 2)
    pointer: int = uint8()
    config: int = uint8()
    temperature: int = int16()
    limit: list[int] = array(int16, 2)
    alarm: int = uint8()
    i2c: I2CSlave = struct(I2CSlave)
    detect_falling: TMP105DetectFalling | None = subsection(TMP105DetectFalling)
