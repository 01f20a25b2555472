"""The AMD 53C974 controller: an ESP on the PCI bus.

Facts from QEMU's hw/scsi/esp-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, struct, uint8, variant
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.scsi.esp import ESP, ESP_5_2, ESP_7_2, ESP_10_0


@device("pciespscsi", models="vmstate.devices.scsi.models:ESP")
@description("pciespscsi", version_id=2, minimum_version_id=1)
class PCIESP(VMState):
    """The PCI function, its DMA engine and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    dma_regs: bytes = buffer(32)
    mig_version_id: int = uint8(name="esp.mig_version_id", version=2)
    esp: ESP = struct(ESP)


PCI_ESP_10_0 = variant(PCIESP, esp=struct(ESP_10_0))
PCI_ESP_7_2 = variant(PCIESP, esp=struct(ESP_7_2))
PCI_ESP_5_2 = variant(PCIESP, None, 1, mig_version_id=None, esp=struct(ESP_5_2))
"""With the controllers of those releases."""
