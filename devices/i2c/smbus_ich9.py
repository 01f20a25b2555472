"""The SMBus controller of the ICH9.

Facts from QEMU's hw/i2c/smbus_ich9.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, struct
from vmstate.devices.i2c.pm_smbus import SMBUS_MIGRATED, PMSMBus
from vmstate.devices.pci.device import PCIDevice


@device("ich9_smb", early_copy="vmstate.devices.early_copies:STANDS")
@description("ich9_smb", version_id=1, minimum_version_id=1)
class ICH9SMB(VMState):
    """The PCI function and the controller in it."""

    dev: PCIDevice = struct(PCIDevice)
    irq_enabled: bool | None = boolean(exists=SMBUS_MIGRATED)
    smb: PMSMBus | None = struct(PMSMBus, version=1, exists=SMBUS_MIGRATED)
