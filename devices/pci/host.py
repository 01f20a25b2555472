"""The configuration port of a PCI host bridge, and the interrupt lines of its bus.

Facts from QEMU's hw/pci/pci_host.c, hw/pci/pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, int32_equal, this, uint32, varray


@device("PCIHost", early_copy="vmstate.devices.early_copies:STANDS")
@description("PCIHost", version_id=1, minimum_version_id=1)
class PCIHost(VMState):
    """The configuration address register."""

    config_reg: int = uint32()


@device("PCIBUS", listed=False, early_copy="vmstate.devices.early_copies:STANDS")
@description("PCIBUS", version_id=1, minimum_version_id=1)
class PCIBus(VMState):
    """How many devices hold each interrupt line."""

    nirq: int = int32_equal()
    irq_count: list[int] = varray(int32, count=this.nirq)
