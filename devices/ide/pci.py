"""An IDE controller on the PCI bus with bus-master DMA: PIIX, CMD646, VIA.

Facts from QEMU's hw/ide/pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int64, struct, subsection, this, uint8, uint32
from vmstate.devices.ide.core import IDEBus, IDEDrive
from vmstate.devices.pci.device import PCIDevice


@description("ide bmdma_current", version_id=1, minimum_version_id=1, needed=this.cur_prd_len != 0)
class BMDMACurrent(VMState):
    """The place in the transfer that is under way; sent where there is one."""

    cur_addr: int = uint32()
    cur_prd_last: int = uint32()
    cur_prd_addr: int = uint32()
    cur_prd_len: int = uint32()


@description("ide bmdma/status", version_id=1, minimum_version_id=1)
class BMDMAStatus(VMState):
    """The status register; sent where the compatible one cannot hold it."""

    status: int = uint8()


@description("ide bmdma", version_id=3)
class BMDMA(VMState):
    """The bus master of one channel."""

    cmd: int = uint8()
    migration_compat_status: int = uint8()
    addr: int = uint32()
    migration_retry_sector_num: int = int64()
    migration_retry_nsector: int = uint32()
    migration_retry_unit: int = uint8()
    current: BMDMACurrent | None = subsection(BMDMACurrent)
    status: BMDMAStatus | None = subsection(BMDMAStatus)


@device("ide", models="vmstate.devices.ide.models:IDE", listed=False)
@description("ide", version_id=3)
class PCIIDE(VMState):
    """The controller, its two channels and four drives."""

    parent_obj: PCIDevice = struct(PCIDevice)
    bmdma: list[BMDMA] = array(BMDMA, 2)
    bus: list[IDEBus] = array(IDEBus, 2, version=1)
    bus_0_ifs: list[IDEDrive] = array(IDEDrive, 2, name="bus[0].ifs", version=3)
    bus_1_ifs: list[IDEDrive] = array(IDEDrive, 2, name="bus[1].ifs", version=3)
