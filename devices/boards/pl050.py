"""Arm's keyboard and mouse interface PL050.

Facts from QEMU's hw/input/pl050.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, int32, uint32


@device("pl050")
@description("pl050", version_id=2, minimum_version_id=2)
class Pl050(VMState):
    """Registers, and the byte received last."""

    cr: int = uint32()
    clk: int = uint32()
    last: int = uint32(private=CONTENTS)
    pending: int = int32()
