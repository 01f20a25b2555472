"""The interfaces of an IPMI controller on the PCI bus.

Facts from QEMU's hw/ipmi/pci_ipmi_kcs.c, hw/ipmi/pci_ipmi_bt.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.misc.ipmi_bt import IPMIBT
from vmstate.devices.misc.ipmi_kcs import IPMIKCS
from vmstate.devices.pci.device import PCIDevice


@device("ipmi-interface-pci-kcs", models="vmstate.devices.misc.models:IPMI_PCI_KCS")
@description("ipmi-interface-pci-kcs", version_id=1, minimum_version_id=1)
class PCIIPMIKCS(VMState):
    """The PCI function and the keyboard-controller-style interface in it."""

    dev: PCIDevice = struct(PCIDevice)
    kcs: IPMIKCS = struct(IPMIKCS, version=1)


@device("ipmi-interface-pci-bt", models="vmstate.devices.misc.models:IPMI_PCI_BT")
@description("ipmi-interface-pci-bt", version_id=1, minimum_version_id=1)
class PCIIPMIBT(VMState):
    """The PCI function and the block-transfer interface in it."""

    dev: PCIDevice = struct(PCIDevice)
    bt: IPMIBT = struct(IPMIBT, version=1)
