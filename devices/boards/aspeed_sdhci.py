"""A controller of SD cards of Aspeed's SoCs: aspeed.sdhci.

Facts from QEMU's hw/sd/aspeed_sdhci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.sdhci")
@description("aspeed.sdhci", version_id=1)
class AspeedSdhci(VMState):
    """A controller of SD cards of Aspeed's SoCs."""

    regs: list[int] = array(uint32, 64)
