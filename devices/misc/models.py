"""Devices of no class of their own on QEMU's command line.

Names and ids from QEMU's hw/misc, hw/watchdog, hw/ipmi and hw/sd (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

I6300ESB = (Model("i6300esb"),)
IB700 = (Model("ib700"),)
PVPANIC = (Model("pvpanic-pci"),)
TPCI200 = (Model("tpci200"),)
IVSHMEM = (Model("ivshmem-plain", None, {"master": lambda ask: True}, "memdev"),)
"""Only a master is migrated."""
INTEL_IOMMU = (Model("intel-iommu"),)
VMCOREINFO = (Model("vmcoreinfo"),)
SDHCI = (Model("sdhci-pci", bus="sd"),)
SD_CARD = (Model("sd-card", back_end="drive"),)
IPMI_BMC = (Model("ipmi-bmc-sim"),)
IPMI_KCS = (Model("isa-ipmi-kcs", back_end="bmc"),)
IPMI_BT = (Model("isa-ipmi-bt", back_end="bmc"),)
IPMI_PCI_KCS = (Model("pci-ipmi-kcs", back_end="bmc"),)
IPMI_PCI_BT = (Model("pci-ipmi-bt", back_end="bmc"),)
IPMI_SMBUS = (Model("smbus-ipmi", back_end="bmc"),)
