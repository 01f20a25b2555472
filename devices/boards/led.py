"""A light of a board.

Facts from QEMU's hw/misc/led.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("led")
@description("led", version_id=1, minimum_version_id=1)
class Led(VMState):
    """How bright it is, in per cent."""

    intensity_percent: int = uint8()
