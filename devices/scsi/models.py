"""SCSI host adapters and disks on QEMU's command line.

Names and ids from QEMU's hw/scsi (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

LSI = (
    Model("lsi53c895a", (0x1000, 0x0012), bus="scsi"),
    Model("lsi53c810", (0x1000, 0x0001), bus="scsi"),
)
MEGASAS = (Model("megasas", bus="scsi"),)
MEGASAS_GEN2 = (Model("megasas-gen2", bus="scsi"),)
MPTSAS = (Model("mptsas1068", bus="scsi"),)
PVSCSI = (Model("pvscsi", bus="scsi"),)
ESP = (Model("am53c974", bus="scsi"),)
"""dc390 has the same ids and state, and an EEPROM besides that is not in the state."""
SCSI_DISK = (Model("scsi-hd", back_end="drive"),)
"""What a SCSI disk sends does not say whether it is a disk (scsi-hd) or a CD-ROM (scsi-cd)."""
