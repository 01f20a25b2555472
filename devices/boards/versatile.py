"""The PCI host of Arm's Versatile, RealView and Versatile Express.

Facts from QEMU's hw/pci-host/versatile.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@device("versatile-pci")
@description("versatile-pci", version_id=1, minimum_version_id=1)
class VersatilePci(VMState):
    """Windows, and how interrupts are mapped."""

    imap: list[int] = array(uint32, 3)
    smap: list[int] = array(uint32, 3)
    selfid: int = uint32()
    flags: int = uint32()
    irq_mapping: int = uint8()
