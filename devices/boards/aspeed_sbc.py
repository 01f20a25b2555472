"""The secure boot controller of Aspeed's SoCs.

Facts from QEMU's hw/misc/aspeed_sbc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.sbc")
@description("aspeed.sbc", version_id=1, minimum_version_id=1)
class AspeedSbc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 591)
