"""The NVRAM of a `pseries` machine.

Facts from QEMU's hw/nvram/spapr_nvram.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, this, uint32, vbuffer


@device("spapr_nvram")
@description("spapr_nvram", version_id=1, minimum_version_id=1)
class NVRAM(VMState):
    """All of its bytes."""

    size: int = uint32()
    buf: bytes = vbuffer(this.size, version=1, private=CONTENTS)
