"""The AES engine of Analog Devices' MAX78000.

Facts from QEMU's hw/misc/max78000_aes.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, uint8, uint32


@device("max78000-aes")
@description("max78000-aes", version_id=1, minimum_version_id=1)
class Max78000Aes(VMState):
    """Registers, the data, and the key as it is and as it was expanded."""

    ctrl: int = uint32()
    status: int = uint32()
    intfl: int = uint32()
    inten: int = uint32()
    data: list[int] = array(uint8, 16)
    key: list[int] = array(uint8, 32)
    result: list[int] = array(uint8, 16)
    internal_key_rd_key: list[int] = array(uint32, 60, name="internal_key.rd_key", private=CONTENTS)
    internal_key_rounds: int = int32(name="internal_key.rounds")
