"""The DMA controller of Intel's PXA2xx.

Facts from QEMU's hw/dma/pxa2xx_dma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, int32, uint32, unused, varray, version_id

CHANNELS = 32
"""Elements that each board has."""


@description("pxa2xx_dma_chan", version_id=1, minimum_version_id=1)
class Pxa2xxDmaChan(VMState):
    """A channel: where it reads and writes, and its command."""

    descr: int = uint32()
    src: int = uint32()
    dest: int = uint32()
    cmd: int = uint32()
    state: int = uint32()
    request: int = int32()


@device("pxa2xx_dma")
@description("pxa2xx_dma", version_id=1)
class Pxa2xxDma(VMState):
    """Interrupts, requests, and the channels."""

    unused_0: None | None = unused(4, exists=(version_id == 0))
    stopintr: int = uint32()
    eorintr: int = uint32()
    rasintr: int = uint32()
    startintr: int = uint32()
    endintr: int = uint32()
    align: int = uint32()
    pio: int = uint32()
    req: bytes = buffer(75)
    chan: list[Pxa2xxDmaChan] = varray(Pxa2xxDmaChan, count=CHANNELS)
