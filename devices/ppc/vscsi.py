"""The virtual SCSI adapter of a `pseries` machine. The requests that are under way go with the disks.

Facts from QEMU's hw/scsi/spapr_vscsi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.ppc.vio import VIODevice


@device("spapr_vscsi")
@description("spapr_vscsi", version_id=1, minimum_version_id=1)
class VirtualSCSI(VMState):
    """Its queue."""

    vdev: VIODevice = struct(VIODevice)
