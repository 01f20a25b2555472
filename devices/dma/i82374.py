"""The enhanced DMA controller of `40p`.

Facts from QEMU's hw/dma/i82374.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("i82374")
@description("i82374")
class I82374(VMState):
    """The commands of its channels."""

    commands: list[int] = array(uint8, 8)
