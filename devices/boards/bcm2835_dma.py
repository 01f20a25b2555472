"""A DMA controller of Broadcom's BCM2835 to BCM2838: bcm2835-dma.

Facts from QEMU's hw/dma/bcm2835_dma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@description("bcm2835-dma-chan", version_id=1, minimum_version_id=1)
class Bcm2835DmaChan(VMState):
    """One `chan` of several."""

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
    """A DMA controller of Broadcom's BCM2835 to BCM2838."""

    chan: list[Bcm2835DmaChan] = array(Bcm2835DmaChan, 16, version=1)
    int_status: int = uint32()
    enable: int = uint32()
