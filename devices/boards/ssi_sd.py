"""A card of SD behind an SPI bus.

Facts from QEMU's hw/sd/ssi-sd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, struct, uint8, uint16, uint32, variant
from vmstate.devices.boards.ssi import SSIPeripheral


@device("ssi_sd")
@description("ssi_sd", version_id=7, minimum_version_id=7)
class SsiSd(VMState):
    """The command under way, and the card's answer."""

    mode: int = uint32()
    cmd: int = int32()
    cmdarg: list[int] = array(uint8, 4)
    response: list[int] = array(uint8, 5)
    crc16: int | None = uint16()
    read_bytes: int | None = int32()
    write_bytes: int | None = int32()
    arglen: int = int32()
    response_pos: int = int32()
    stopping: int = int32()
    ssidev: SSIPeripheral = struct(SSIPeripheral)


SSI_SD_5_2 = variant(SsiSd, None, 2, crc16=None, read_bytes=None, write_bytes=None)
"""Of 5.2."""
