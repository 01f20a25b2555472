"""Devices of no class of their own on QEMU's command line.

Names and ids from QEMU's hw/misc, hw/watchdog, hw/ipmi, hw/net/can and hw/sd (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk

I6300ESB = (Model("i6300esb"),)
IB700 = (Model("ib700"),)
PVPANIC = (Model("pvpanic-pci"),)
TPCI200 = (Model("tpci200"),)
IVSHMEM = (Model("ivshmem-plain", None, {"master": lambda ask: True}, "memdev"),)
"""Only a master is migrated."""
INTEL_IOMMU = (Model("intel-iommu"),)
VMCOREINFO = (Model("vmcoreinfo"),)
SDHCI = (Model("sdhci-pci", bus="sd"),)
VMMOUSE = (Model("vmmouse"),)
DIAG288 = (Model("diag288"),)
IPMI_BMC = (Model("ipmi-bmc-sim"),)
IPMI_KCS = (Model("isa-ipmi-kcs", back_end="bmc"),)
IPMI_BT = (Model("isa-ipmi-bt", back_end="bmc"),)
IPMI_PCI_KCS = (Model("pci-ipmi-kcs", back_end="bmc"),)
IPMI_PCI_BT = (Model("pci-ipmi-bt", back_end="bmc"),)
IPMI_SMBUS = (Model("smbus-ipmi", back_end="bmc"),)

IPMI_EXTERN = (Model("ipmi-bmc-extern", back_end="chardev"),)
REDIR = (Model("usb-redir", back_end="chardev"),)


def _bus(ask: ModelAsk) -> str:
    return ask.object("can-bus")


KVASER = (Model("kvaser_pci", None, {"canbus": _bus}),)
MIOE3680 = (Model("mioe3680_pci", None, {"canbus0": _bus, "canbus1": _bus}),)
PCM3680 = (Model("pcm3680_pci", None, {"canbus0": _bus, "canbus1": _bus}),)
CTUCAN = (Model("ctucan_pci", None, {"canbus0": _bus, "canbus1": _bus}),)

SD_VERSION_2 = 0x40
"""The first byte of the CSD of a card of more than 2 GiB."""


EMMC = 0xC0
"""The two highest bits of the CSD of an eMMC."""

SECTORS_ELSEWHERE = 0x59
"""Byte 5 of the CSD of an eMMC of more than 2 GiB: its size is not there."""

WORD_OF_GROUPS = 128 << 20
"""Bytes of a card for which a word of its write-protection bitmap stands; there is a word more."""


def sd_bytes(ask: ModelAsk) -> int | None:
    """Bytes of a card, by its CSD (SD specification, Physical Layer, 5.3)."""
    csd = ask("csd")
    if csd is None:
        return None
    number = int.from_bytes(bytes(csd[:16]), "big")
    if csd[0] & EMMC == EMMC and csd[5] == SECTORS_ELSEWHERE:
        words = ask.fact("sd_wp_words")
        return None if words is None else (words - 1) * WORD_OF_GROUPS
    if csd[0] & 0xC0 == SD_VERSION_2:
        return ((number >> 48 & 0x3FFFFF) + 1) << 19
    blocks = ((number >> 62 & 0xFFF) + 1) << ((number >> 47 & 7) + 2)
    return int(blocks << (number >> 80 & 0xF))


SD_CARD = (
    Model("emmc", None, {}, "drive", when=lambda ask: ask("csd")[0] & EMMC == EMMC, medium=sd_bytes),
    Model("sd-card", back_end="drive", medium=sd_bytes),
)
UEFI_VARS = (
    Model("uefi-vars-x64", when=lambda ask: ask.machine_block_size("pc.rom") is not None),
    Model("uefi-vars-sysbus"),
)
