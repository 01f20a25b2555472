"""SCSI host adapters and disks on QEMU's command line.

Names and ids from QEMU's hw/scsi (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.declare import Release
from vmstate.vmsd.model import (
    CAP_ID_MSI,
    CAP_ID_MSIX,
    Model,
    ModelAsk,
    Property,
    has_capability,
)

LSI = (
    Model("lsi53c895a", (0x1000, 0x0012), bus="scsi"),
    Model("lsi53c810", (0x1000, 0x0001), bus="scsi"),
)
REVISION = 0x08

_MSI = has_capability(CAP_ID_MSI)
_MEGASAS: dict[str, Property] = {"msi": _MSI, "msix": has_capability(CAP_ID_MSIX)}

MEGASAS = (Model("megasas", None, _MEGASAS, bus="scsi"),)
MEGASAS_GEN2 = (Model("megasas-gen2", None, _MEGASAS, bus="scsi"),)
MPTSAS = (Model("mptsas1068", None, {"msi": _MSI}, bus="scsi"),)


EXPRESS_SINCE = Release(2, 6)


def _disable_pcie(ask: ModelAsk) -> bool | None:
    """On where what PCI Express has is not sent, of a machine type whose adapter has that by itself on every bus."""
    release = ask.machine_release
    is_new = release is None or release >= EXPRESS_SINCE
    return True if is_new and ask("pcie") is None else None


def _old_pci_configuration(ask: ModelAsk) -> bool | None:
    """On where the function has no revision, as before 2.6."""
    return None if ask.space.byte(REVISION) else True


PVSCSI = (
    Model(
        "pvscsi",
        None,
        {"x-old-pci-configuration": _old_pci_configuration, "x-disable-pcie": _disable_pcie},
        bus="scsi",
    ),
)
ESP = (
    Model("dc390", bus="scsi", when=lambda ask: ask.beside("eeprom") is not None),
    Model("am53c974", bus="scsi"),
)
"""dc390 has the same ids and state, and an EEPROM besides."""
SCSI_DISK = (Model("scsi-hd", back_end="drive", or_else="scsi-cd"),)
"""What a SCSI disk sends does not say whether it is a disk (scsi-hd) or a CD-ROM (scsi-cd)."""
