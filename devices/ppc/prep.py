"""What `40p` boards have: the system controllers, the PCI host bridge, and the bridge to ISA with its DMA.

Facts from QEMU's hw/ppc/rs6000_mc.c, hw/ppc/prep_systemio.c, hw/pci-host/raven.c, hw/isa/i82378.c and
hw/dma/i82374.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8
from vmstate.devices.pci.device import PCIDevice


@device("rs6000-mc")
@description("rs6000-mc", version_id=1, minimum_version_id=1)
class RS6000MC(VMState):
    """The register of the memory controller that is chosen."""

    port0820_index: int = uint8()


@device("prep_systemio")
@description("prep_systemio", version_id=1, minimum_version_id=1)
class PrepSystemIO(VMState):
    """The system registers."""

    sreset: int = uint8()
    system_control: int = uint8()
    iomap_type: int = uint8()


@device("raven")
@description("raven")
class Raven(VMState):
    """The bridge, as it shows itself on its bus."""

    dev: PCIDevice = struct(PCIDevice)


@device("pci-i82378")
@description("pci-i82378")
class I82378(VMState):
    """The bridge."""

    parent_obj: PCIDevice = struct(PCIDevice)


@device("i82374")
@description("i82374")
class I82374(VMState):
    """The commands of its channels."""

    commands: list[int] = array(uint8, 8)
