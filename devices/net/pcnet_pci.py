"""The AMD PCnet on the PCI bus.

Facts from QEMU's hw/net/pcnet-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.net.pcnet import PCNet
from vmstate.devices.pci.device import PCIDevice


@device("pcnet", models="vmstate.devices.net.models:PCNET")
@description("pcnet", version_id=3, minimum_version_id=2)
class PCIPCNet(VMState):
    """The PCI function and the card in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    state: PCNet = struct(PCNet)
