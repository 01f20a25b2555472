"""The PIIX3 and PIIX4 ISA bridges.

Facts from QEMU's hw/isa/piix.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, struct, subsection, this, uint8
from vmstate.devices.pci.device import PCIDevice


@description("PIIX3/rcr", version_id=1, minimum_version_id=1, needed=this.rcr != 0)
class Piix3Rcr(VMState):
    """The reset control register; sent where it is not 0."""

    rcr: int = uint8()


@device("PIIX3", early_copy="vmstate.devices.early_copies:STANDS")
@description("PIIX3", version_id=3, minimum_version_id=2)
class PIIX3(VMState):
    """The ISA bridge of the PC machine, with the levels of the four PCI interrupts."""

    dev: PCIDevice = struct(PCIDevice)
    pci_irq_levels_vmstate: list[int] = array(int32, 4, version=3)
    rcr: Piix3Rcr | None = subsection(Piix3Rcr)


@device("PIIX4")
@description("PIIX4", version_id=3, minimum_version_id=2)
class PIIX4(VMState):
    """The ISA bridge of the Malta machine."""

    dev: PCIDevice = struct(PCIDevice)
    rcr: int = uint8(version=3)
