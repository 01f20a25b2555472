"""The NVRAM of old Macintoshes.

Facts from QEMU's hw/nvram/mac_nvram.c and include/hw/nvram/mac_nvram.h.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, buffer, description, device

SIZE = 0x2000


@device("macio_nvram")
@description("macio_nvram", version_id=1, minimum_version_id=1)
class MacIONVRAM(VMState):
    """All of its bytes."""

    data: bytes = buffer(SIZE, private=CONTENTS)
