"""The LSI MegaRAID SAS controllers.

Facts from QEMU's hw/scsi/megasas.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32, uint64
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of


@device("megasas", models="vmstate.devices.scsi.models:MEGASAS")
@description("megasas")
class MegasasGen1(VMState):
    """The 8708EM2."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    fw_state: int = uint32()
    intr_mask: int = uint32()
    doorbell: int = uint32()
    reply_queue_pa: int = uint64()
    consumer_pa: int = uint64()
    producer_pa: int = uint64()


@device("megasas-gen2", models="vmstate.devices.scsi.models:MEGASAS_GEN2")
@description("megasas-gen2")
class MegasasGen2(VMState):
    """The 2108."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    fw_state: int = uint32()
    intr_mask: int = uint32()
    doorbell: int = uint32()
    reply_queue_pa: int = uint64()
    consumer_pa: int = uint64()
    producer_pa: int = uint64()
