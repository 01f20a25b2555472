"""The random numbers of Analog Devices' MAX78000.

Facts from QEMU's hw/misc/max78000_trng.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, uint32


@device("max78000-trng")
@description("max78000-trng", version_id=1, minimum_version_id=1)
class Max78000Trng(VMState):
    """Registers."""

    ctrl: int = uint32()
    status: int = uint32()
    data: int = uint32(private=CONTENTS)
