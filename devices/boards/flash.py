"""Flash memory that stands on a bus of its own.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    array,
    buffer,
    description,
    device,
    fact,
    int32,
    uint8,
    uint16,
    uint32,
    uint64,
    vbuffer,
)

# A NAND flash memory (hw/block/nand.c).


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


# Samsung's OneNAND flash memory, of Nokia's N800 and N810 (hw/block/onenand.c as it was up to 9.1).

BLOCKS = fact("onenand_blocks", (2048, 512, 1024, 4096))
"""Blocks of the memory: a property of its size."""


@device("onenand", listed=False)
@description("onenand", version_id=1, minimum_version_id=1)
class OneNAND(VMState):
    """The command under way, registers, which blocks are locked, and the area that is written once."""

    current_direction: int = uint8()
    cycle: int = int32()
    otpmode: int = int32()
    addr: list[int] = array(uint16, 8)
    unladdr: list[int] = array(uint16, 8)
    bufaddr: int = int32()
    count: int = int32()
    command: int = uint16()
    config: list[int] = array(uint16, 2)
    status: int = uint16()
    intstatus: int = uint16()
    wpstatus: int = uint16()
    secs_cur: int = int32()
    blockwp: bytes = vbuffer(BLOCKS, private=REGISTERS)
    ecc_cp: int = uint8(name="ecc.cp")
    ecc_lp: list[int] = array(uint16, 2, name="ecc.lp")
    ecc_count: int = uint16(name="ecc.count")
    otp: bytes = buffer(135168)
