"""The clocks M48T02, M48T08 and M48T59 with their NVRAM.

Facts from QEMU's hw/rtc/m48t59.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, fact, uint8, uint16, vbuffer

SIZE = fact("m48t59_size", (8192, 2048, 0))
"""Bytes of the chip."""


@device("m48t59")
@description("m48t59", version_id=1, minimum_version_id=1)
class M48T59(VMState):
    """Its bytes, the clock among them, and the place in them."""

    lock: int = uint8()
    addr: int = uint16()
    buffer: bytes = vbuffer(SIZE, private=CONTENTS)
