"""A SCSI disk or CD-ROM.

Facts from QEMU's hw/scsi/scsi-disk.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    boolean,
    description,
    device,
    known_since,
    struct,
    subsection,
    this,
    uint8,
    uint64,
)
from vmstate.devices.scsi.device import SCSIDevice


@description(
    "scsi-disk/pr", version_id=1, minimum_version_id=1, needed=this.key != 0, rules=(known_since(Release(11, 0)),)
)
class PrState(VMState):
    """A persistent reservation of the guest; sent where there is one."""

    key: int = uint64(name="qdev.pr_state.key")
    resv_type: int = uint8(name="qdev.pr_state.resv_type")


@device("scsi-disk", models="vmstate.devices.scsi.models:SCSI_DISK")
@description("scsi-disk", version_id=1, minimum_version_id=1)
class SCSIDisk(VMState):
    """The device, its medium and tray."""

    qdev: SCSIDevice = struct(SCSIDevice)
    media_changed: bool = boolean()
    media_event: bool = boolean()
    eject_request: bool = boolean()
    tray_open: bool = boolean()
    tray_locked: bool = boolean()
    pr: PrState | None = subsection(PrState)
