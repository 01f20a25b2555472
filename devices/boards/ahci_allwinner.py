"""What Allwinner's AHCI controller has beside the usual one.

Facts from QEMU's hw/ide/ahci-allwinner.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-ahci")
@description("allwinner-ahci", version_id=1, minimum_version_id=1)
class AllwinnerAhci(VMState):
    """Registers of the PHY and of DMA."""

    regs: list[int] = array(uint32, 32)
