"""The DMA controller of Broadcom's BCM2835.

Facts from QEMU's hw/dma/bcm2835_dma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@description("bcm2835-dma-chan", version_id=1, minimum_version_id=1)
class Bcm2835DmaChan(VMState):
    """A channel: where it reads and writes, how much, and the next block of control."""

    cs: int = uint32()
    conblk_ad: int = uint32()
    ti: int = uint32()
    source_ad: int = uint32()
    dest_ad: int = uint32()
    txfr_len: int = uint32()
    stride: int = uint32()
    nextconbk: int = uint32()
    debug: int = uint32()


@device("bcm2835-dma")
@description("bcm2835-dma", version_id=1, minimum_version_id=1)
class Bcm2835Dma(VMState):
    """The channels, and which of them run and interrupt."""

    chan: list[Bcm2835DmaChan] = array(Bcm2835DmaChan, 16, version=1)
    int_status: int = uint32()
    enable: int = uint32()
