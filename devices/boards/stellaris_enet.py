"""The network card of TI's Stellaris.

Facts from QEMU's hw/net/stellaris_enet.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint8, uint32


@description("stellaris_enet/rx_frame", version_id=1, minimum_version_id=1)
class StellarisEnetRxFrame(VMState):
    """A frame received."""

    data: list[int] = array(uint8, 2048)
    len: int = uint32()


@device("stellaris_enet")
@description("stellaris_enet", version_id=2, minimum_version_id=2)
class StellarisEnet(VMState):
    """Registers, the frame that is written, and the frames received."""

    ris: int = uint32()
    im: int = uint32()
    rctl: int = uint32()
    tctl: int = uint32()
    thr: int = uint32()
    mctl: int = uint32()
    mdv: int = uint32()
    mtxd: int = uint32(private=CONTENTS)
    mrxd: int = uint32(private=CONTENTS)
    np: int = uint32()
    tx_fifo_len: int = uint32()
    tx_fifo: list[int] = array(uint8, 2048)
    rx: list[StellarisEnetRxFrame] = array(StellarisEnetRxFrame, 31, version=1)
    rx_fifo_offset: int = uint32()
    next_packet: int = uint32()
