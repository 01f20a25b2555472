"""What Aspeed's controller of SD cards has beside the usual two.

Facts from QEMU's hw/sd/aspeed_sdhci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.sdhci")
@description("aspeed.sdhci", version_id=1)
class AspeedSdhci(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 64)
