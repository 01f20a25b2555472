"""The display controller of Intel's PXA2xx.

Facts from QEMU's hw/display/pxa2xx_lcd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, int32, uint8, uint32


@description("dma_channel")
class DmaChannel(VMState):
    """A channel that fetches the picture."""

    branch: int = uint32()
    up_: int = uint8(name="up")
    pbuffer: bytes = buffer(1024)
    descriptor: int = uint32()
    source: int = uint32()
    id: int = uint32()
    command: int = uint32()


@device("pxa2xx_lcdc")
@description("pxa2xx_lcdc")
class Pxa2xxLcdc(VMState):
    """Registers, and the channels."""

    irqlevel: int = int32()
    transp: int = int32()
    control: list[int] = array(uint32, 6)
    status: list[int] = array(uint32, 2)
    ovl1c: list[int] = array(uint32, 2)
    ovl2c: list[int] = array(uint32, 2)
    ccr: int = uint32()
    cmdcr: int = uint32()
    trgbr: int = uint32()
    tcr: int = uint32()
    liidr: int = uint32()
    bscntr: int = uint8()
    dma_ch: list[DmaChannel] = array(DmaChannel, 7)
