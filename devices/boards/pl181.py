"""Arm's controller of SD cards PL181.

Facts from QEMU's hw/sd/pl181.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, uint32


@device("pl181")
@description("pl181", version_id=1, minimum_version_id=1)
class Pl181(VMState):
    """Registers, the card's answer, and the words on their way."""

    clock: int = uint32()
    power: int = uint32()
    cmdarg: int = uint32()
    cmd: int = uint32()
    datatimer: int = uint32()
    datalength: int = uint32()
    respcmd: int = uint32()
    response: list[int] = array(uint32, 4, private=CONTENTS)
    datactrl: int = uint32()
    datacnt: int = uint32()
    status: int = uint32()
    mask: list[int] = array(uint32, 2)
    fifo_pos: int = int32()
    fifo_len: int = int32()
    linux_hack: int = int32()
    fifo: list[int] = array(uint32, 16, private=CONTENTS)
