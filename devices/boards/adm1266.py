"""A super sequencer that watches 17 supplies of a board, on its PMBus: Analog Devices' ADM1266.

Facts from QEMU's hw/sensor/adm1266.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.i2c.pmbus import PmbusDevice


@device("ADM1266")
@description("ADM1266")
class ADM1266(VMState):
    """The sequencer: nothing but what every device of a PMBus has."""

    parent: PmbusDevice = struct(PmbusDevice)
