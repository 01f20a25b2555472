"""The interrupt controller of the first PowerPC Macintoshes.

Facts from QEMU's hw/intc/heathrow_pic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@description("heathrow_pic_one")
class HeathrowHalf(VMState):
    """32 of its interrupts."""

    events: int = uint32()
    mask: int = uint32()
    levels: int = uint32()
    level_triggered: int = uint32()


@device("heathrow_pic")
@description("heathrow_pic", version_id=1, minimum_version_id=1)
class Heathrow(VMState):
    """Both halves."""

    pics: list[HeathrowHalf] = array(HeathrowHalf, 2, version=1)
