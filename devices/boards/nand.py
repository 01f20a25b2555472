"""A NAND flash memory.

Facts from QEMU's hw/block/nand.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, int32, uint8, uint32, uint64


@device("nand")
@description("nand", version_id=1, minimum_version_id=1)
class Nand(VMState):
    """The pins, the command under way, and what is read or written."""

    cle: int = uint8()
    ale: int = uint8()
    ce: int = uint8()
    wp: int = uint8()
    gnd: int = uint8()
    io: bytes = buffer(3136)
    ioaddr_vmstate: int = uint32()
    iolen: int = int32()
    cmd: int = uint32()
    addr: int = uint64()
    addrlen: int = int32()
    status: int = int32()
    offset: int = int32()
