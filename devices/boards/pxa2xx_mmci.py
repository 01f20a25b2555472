"""The controller of SD cards of Intel's PXA2xx.

Facts from QEMU's hw/sd/pxa2xx_mmci.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, uint8, uint16, uint32


@device("pxa2xx-mmci")
@description("pxa2xx-mmci", version_id=2, minimum_version_id=2)
class Pxa2xxMmci(VMState):
    """Registers, the card's answer, and the bytes on their way."""

    status: int = uint32()
    clkrt: int = uint32()
    spi: int = uint32()
    cmdat: int = uint32()
    resp_tout: int = uint32()
    read_tout: int = uint32()
    blklen: int = int32()
    numblk: int = int32()
    intmask: int = uint32()
    intreq: int = uint32()
    cmd: int = int32()
    arg: int = uint32()
    cmdreq: int = int32()
    active: int = int32()
    bytesleft: int = int32()
    tx_start: int = uint32()
    tx_len: int = uint32()
    rx_start: int = uint32()
    rx_len: int = uint32()
    resp_len: int = uint32()
    tx_fifo: list[int] = array(uint8, 64)
    rx_fifo: list[int] = array(uint8, 32)
    resp_fifo: list[int] = array(uint16, 9, private=CONTENTS)
