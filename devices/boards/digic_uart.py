"""The serial port of Canon's DIGIC.

Facts from QEMU's hw/char/digic-uart.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, uint32


@device("digic-uart")
@description("digic-uart", version_id=1, minimum_version_id=1)
class DigicUart(VMState):
    """The byte received, and the status."""

    reg_rx: int = uint32(private=CONTENTS)
    reg_st: int = uint32()
