"""The second interrupt controller of Arm's Versatile.

Facts from QEMU's hw/arm/versatilepb.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("versatilepb_sic")
@description("versatilepb_sic", version_id=1, minimum_version_id=1)
class VersatilepbSic(VMState):
    """Lines, which are enabled, and which go straight on."""

    level: int = uint32()
    mask: int = uint32()
    pic_enable: int = uint32()
