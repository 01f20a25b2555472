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
    rule,
    struct,
    subsection,
    this,
    told,
    uint8,
    uint64,
)
from vmstate.devices.scsi.device import SCSIDevice

TAKES_RESERVATIONS = told("scsi_takes_reservations")
"""Whether the destination's disk is one that takes over a reservation: that of a real SCSI host (scsi-block)."""


@description(
    "scsi-disk/pr",
    version_id=1,
    minimum_version_id=1,
    needed=this.key != 0,
    rules=(
        known_since(Release(11, 0)),
        rule(
            "scsi-reservation",
            (this.key == 0) & (this.resv_type == 0) | TAKES_RESERVATIONS,
            "the destination's disk takes over the reservation of the source's",
            qemu_error="Loading VM subsection 'scsi-disk/pr' in 'scsi-disk' failed",
            advice="give the destination a scsi-block device over a disk that takes persistent reservations",
        ),
    ),
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
