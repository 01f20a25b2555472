"""The memory controller of Aspeed's SoCs.

Facts from QEMU's hw/misc/aspeed_sdmc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, variant


@device("aspeed.sdmc")
@description("aspeed.sdmc", version_id=2, minimum_version_id=2)
class AspeedSdmc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1024)


ASPEED_SDMC_7_2 = variant(AspeedSdmc, None, 1, regs=array(uint32, 320))
"""Up to 7.2 at least."""
