"""The PCI host bridge of 4xx processors.

Facts from QEMU's hw/pci-host/ppc4xx_pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@description("pci_master_map")
class MasterMap(VMState):
    """A window to the bus."""

    la: int = uint32()
    ma: int = uint32()
    pcila: int = uint32()
    pciha: int = uint32()


@description("pci_target_map")
class TargetMap(VMState):
    """A window from the bus."""

    ms: int = uint32()
    la: int = uint32()


@device("ppc4xx_pci")
@description("ppc4xx_pci", version_id=1, minimum_version_id=1)
class PPC4xxPCI(VMState):
    """The windows."""

    pmm: list[MasterMap] = array(MasterMap, 3, version=1)
    ptm: list[TargetMap] = array(TargetMap, 2, version=1)
