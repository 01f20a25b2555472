"""The ISA floppy disk controller.

Facts from QEMU's hw/block/fdc-isa.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.block.fdc import FDCtrl


@device("fdc", models="vmstate.devices.block.models:FDC", legacy_instances=(0x3F0, 0x370))
@description("fdc", version_id=2, minimum_version_id=2)
class ISAFDC(VMState):
    """The controller."""

    state: FDCtrl = struct(FDCtrl)
