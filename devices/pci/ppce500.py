"""The PCI host bridge of e500 boards.

Facts from QEMU's hw/pci-host/ppce500.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@description("pci_outbound")
class Outbound(VMState):
    """A window to the bus."""

    potar: int = uint32()
    potear: int = uint32()
    powbar: int = uint32()
    powar: int = uint32()


@description("pci_inbound")
class Inbound(VMState):
    """A window from the bus."""

    pitar: int = uint32()
    piwbar: int = uint32()
    piwbear: int = uint32()
    piwar: int = uint32()


@device("ppce500_pci")
@description("ppce500_pci", version_id=1, minimum_version_id=1)
class PPCE500PCI(VMState):
    """The windows."""

    pob: list[Outbound] = array(Outbound, 5, version=1)
    pib: list[Inbound] = array(Inbound, 3, version=1)
    gasket_time: int = uint32()
