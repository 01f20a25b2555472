"""The second controller of SD cards of Broadcom's BCM2835.

Facts from QEMU's hw/sd/bcm2835_sdhost.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, uint32


@device("bcm2835-sdhost")
@description("bcm2835-sdhost", version_id=1, minimum_version_id=1)
class Bcm2835Sdhost(VMState):
    """Registers, the card's answer, and the words on their way."""

    cmd: int = uint32()
    cmdarg: int = uint32()
    status: int = uint32()
    rsp: list[int] = array(uint32, 4, private=CONTENTS)
    config: int = uint32()
    edm: int = uint32()
    vdd: int = uint32()
    hbct: int = uint32()
    hblc: int = uint32()
    fifo_pos: int = int32()
    fifo_len: int = int32()
    fifo: list[int] = array(uint32, 16, private=CONTENTS)
    datacnt: int = uint32()
