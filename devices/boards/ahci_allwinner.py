"""A disk controller of Allwinner's SoCs: allwinner-ahci.

Facts from QEMU's hw/ide/ahci-allwinner.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-ahci")
@description("allwinner-ahci", version_id=1, minimum_version_id=1)
class AllwinnerAhci(VMState):
    """A disk controller of Allwinner's SoCs."""

    regs: list[int] = array(uint32, 32)
