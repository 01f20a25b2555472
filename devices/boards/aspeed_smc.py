"""The controller of the flash memories of Aspeed's SoCs: FMC and SPI.

Facts from QEMU's hw/ssi/aspeed_smc.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    host,
    uint8,
    uint32,
    unused,
    variant,
)


@device("aspeed.smc")
@description("aspeed.smc", version_id=3, minimum_version_id=2)
class AspeedSMC(VMState):
    """Registers, and how a flash memory is being spoken to."""

    regs: list[int] = array(uint32, 64)
    snoop_index: int | None = host()
    snoop_dummies: int | None = host()
    unused_0: None = unused(2, name="unused")
    unselect: bool | None = boolean(version=3)


ASPEED_SMC_10_2 = variant(AspeedSMC, snoop_index=uint8(), snoop_dummies=uint8(), unused_0=None)
"""Up to 10.2: dummy cycles of a flash memory are counted."""

ASPEED_SMC_7_2 = variant(AspeedSMC, None, 2, snoop_index=uint8(), snoop_dummies=uint8(), unused_0=None, unselect=None)
"""Up to 7.2."""
