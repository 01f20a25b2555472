"""The security identifier of Allwinner's SoCs: fuses with the chip's own number.

Facts from QEMU's hw/misc/allwinner-sid.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@device("allwinner-sid")
@description("allwinner-sid", version_id=1, minimum_version_id=1)
class AllwinnerSid(VMState):
    """The key that unlocks reading, and the number."""

    control: int = uint32()
    rdkey: int = uint32()
    identifier_data: list[int] = array(uint8, 16, name="identifier.data")
