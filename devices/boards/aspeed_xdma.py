"""The DMA engine between Aspeed's SoCs and their host.

Facts from QEMU's hw/misc/aspeed_xdma.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.xdma")
@description("aspeed.xdma", version_id=1)
class AspeedXdma(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 31)
