"""What every PCI device carries: its configuration space and its interrupt lines.

Facts from QEMU's hw/pci/pci.c.
"""

from __future__ import annotations

from vmstate.vmsd.declare import array, buffer, description, info, int32_positive_le, uint32
from vmstate.vmsd.expr import fact, not_

PCI_EXPRESS = fact("pci_express")
"""Whether the device has the 4096 bytes of configuration space of PCI Express, or the 256 of conventional PCI."""


@description("pci irq state")
class PCIIrqState:
    """The levels of the interrupt pins INTA to INTD: 0 or 1."""

    pins: list[int] = array(uint32, 4)


@description("PCIDevice", version_id=2, minimum_version_id=1)
class PCIDevice:
    """A PCI device. Which of the two fields of configuration space it has is a matter of the slot it sits in."""

    version_id: int = int32_positive_le()
    conventional_config: bytes | None = buffer(256, name="config", info="pci config", exists=not_(PCI_EXPRESS))
    express_config: bytes | None = buffer(4096, name="config", info="pci config", exists=PCI_EXPRESS)
    irq_state: PCIIrqState = info("pci irq state", PCIIrqState, version=2)

    @property
    def config(self) -> bytes:
        """The configuration space."""
        return self.express_config or self.conventional_config or b""
