"""The Intel 8257 DMA controller; a PC has two.

Facts from QEMU's hw/dma/i8257.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, uint8, uint16


@description("dma_regs", version_id=1, minimum_version_id=1)
class I8257Regs(VMState):
    """One channel."""

    now: list[int] = array(int32, 2)
    base: list[int] = array(uint16, 2)
    mode: int = uint8()
    page: int = uint8()
    pageh: int = uint8()
    dack: int = uint8()
    eop: int = uint8()


@device("dma", early_copy="vmstate.devices.early_copies:STANDS")
@description("dma", version_id=1, minimum_version_id=1)
class I8257(VMState):
    """The controller and its four channels."""

    command: int = uint8()
    mask: int = uint8()
    flip_flop: int = uint8()
    dshift: int = int32()
    regs: list[I8257Regs] = array(I8257Regs, 4, version=1)
