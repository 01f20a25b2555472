"""The interrupt controller of Allwinner's A10.

Facts from QEMU's hw/intc/allwinner-a10-pic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("a10.pic")
@description("a10.pic", version_id=1, minimum_version_id=1)
class A10Pic(VMState):
    """What is pending, enabled and masked, and the vector."""

    vector: int = uint32()
    base_addr: int = uint32()
    protect: int = uint32()
    nmi: int = uint32()
    irq_pending: list[int] = array(uint32, 3)
    fiq_pending: list[int] = array(uint32, 3)
    enable: list[int] = array(uint32, 3)
    select: list[int] = array(uint32, 3)
    mask: list[int] = array(uint32, 3)
