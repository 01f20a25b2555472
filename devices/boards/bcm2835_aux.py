"""The small serial port of Broadcom's BCM2835.

Facts from QEMU's hw/char/bcm2835_aux.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("bcm2835-aux")
@description("bcm2835-aux", version_id=1, minimum_version_id=1)
class Bcm2835Aux(VMState):
    """The bytes received, and interrupts."""

    read_fifo: list[int] = array(uint8, 8)
    read_pos: int = uint8()
    read_count: int = uint8()
    ier: int = uint8()
    iir: int = uint8()
