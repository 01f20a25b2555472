"""An EEPROM of the 93xx family, as network cards have it.

Facts from QEMU's hw/nvram/eeprom93xx.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    choose,
    description,
    device,
    this,
    uint8,
    uint16,
    uint16_equal,
    unused,
    varray,
    version_id,
)


@device("eeprom", listed=False)
@description("eeprom", version_id=20061113, minimum_version_id=20061112)
class EEPROM(VMState):
    """Contents and the command that is under way."""

    tick: int = uint8()
    address: int = uint8()
    command: int = uint8()
    writable: int = uint8()
    eecs: int = uint8()
    eesk: int = uint8()
    eedo: int = uint8()
    addrbits: int = uint8()
    size_old: int | None = uint8(name="size", exists=version_id == 20061112)
    unused_0: None = unused(1, exists=version_id == 20061112)
    size: int = uint16_equal(version=20061113)
    data: int = uint16()
    contents: list[int] = varray(
        uint16, count=choose(version_id == 20061112, this.size_old, this.size), private=CONTENTS
    )
