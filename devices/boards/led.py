"""A controller: led.

Facts from QEMU's hw/misc/led.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("led")
@description("led", version_id=1, minimum_version_id=1)
class Led(VMState):
    """A controller."""

    intensity_percent: int = uint8()
