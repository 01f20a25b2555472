"""The instruction cache of Analog Devices' MAX78000.

Facts from QEMU's hw/misc/max78000_icc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("max78000-icc")
@description("max78000-icc", version_id=1, minimum_version_id=1)
class Max78000Icc(VMState):
    """Registers."""

    info_: int = uint32(name="info")
    sz: int = uint32()
    ctrl: int = uint32()
