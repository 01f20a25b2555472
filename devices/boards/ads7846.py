"""A touch screen's converter on an SPI bus: TI's ADS7846.

Facts from QEMU's hw/input/ads7846.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, struct
from vmstate.devices.boards.ssi import SSIPeripheral


@device("ads7846")
@description("ads7846", version_id=1, minimum_version_id=1)
class Ads7846(VMState):
    """The inputs, and where a conversion stands."""

    ssidev: SSIPeripheral = struct(SSIPeripheral)
    input: list[int] = array(int32, 8)
    noise: int = int32()
    cycle: int = int32()
    output: int = int32()
