"""Memory shared between virtual machines.

Facts from QEMU's hw/misc/ivshmem-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of


@device("ivshmem-plain", models="vmstate.devices.misc.models:IVSHMEM")
@description("ivshmem-plain")
class IvshmemPlain(VMState):
    """Interrupt status and mask of the plain device."""

    parent_obj: PCIDevice = struct(PCIDevice)
    intrstatus: int = uint32()
    intrmask: int = uint32()


@device("ivshmem-doorbell")
@description("ivshmem-doorbell")
class IvshmemDoorbell(VMState):
    """ivshmem-doorbell: shared memory with interrupts between the guests that share it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    intrstatus: int = uint32()
    intrmask: int = uint32()
