"""The system control unit of Aspeed's SoCs: clocks, resets, pins.

Facts from QEMU's hw/misc/aspeed_scu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.scu")
@description("aspeed.scu", version_id=2, minimum_version_id=2)
class AspeedScu(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 904)
