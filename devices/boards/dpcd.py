"""A display controller: dpcd.

Facts from QEMU's hw/display/dpcd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("dpcd")
@description("dpcd")
class Dpcd(VMState):
    """A display controller."""

    dpcd_info: list[int] = array(uint8, 1536)
