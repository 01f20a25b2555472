"""A controller of Aspeed's SoCs: aspeed.scu.

Facts from QEMU's hw/misc/aspeed_scu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.scu")
@description("aspeed.scu", version_id=2, minimum_version_id=2)
class AspeedScu(VMState):
    """A controller of Aspeed's SoCs."""

    regs: list[int] = array(uint32, 904)
