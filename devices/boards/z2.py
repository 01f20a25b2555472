"""The power management and the display of Zipit's Z2.

Facts from QEMU's hw/arm/z2.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, int32, struct, uint32
from vmstate.devices.boards.ssi import SSIPeripheral


@device("aer915")
@description("aer915", version_id=1, minimum_version_id=1)
class Aer915(VMState):
    """What is written to the power management."""

    len: int = int32()
    buf: bytes = buffer(3)


@device("zipit-lcd")
@description("zipit-lcd", version_id=2, minimum_version_id=2)
class ZipitLcd(VMState):
    """The display: which register comes next."""

    ssidev: SSIPeripheral = struct(SSIPeripheral)
    selected: int = int32()
    enabled: int = int32()
    buf: bytes = buffer(3)
    cur_reg: int = uint32()
    pos: int = int32()
