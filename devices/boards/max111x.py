"""An analogue-to-digital converter on an SPI bus: Maxim's MAX1110 and MAX1111.

Facts from QEMU's hw/adc/max111x.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, int32_equal, struct, this, uint8, varray
from vmstate.devices.boards.ssi import SSIPeripheral


@device("max111x")
@description("max111x", version_id=1, minimum_version_id=1)
class Max111x(VMState):
    """An analogue-to-digital converter."""

    parent_obj: SSIPeripheral = struct(SSIPeripheral)
    tb1: int = uint8()
    rb2: int = uint8()
    rb3: int = uint8()
    inputs: int = int32_equal()
    com: int = int32()
    input: list[int] = varray(uint8, count=this.inputs)
