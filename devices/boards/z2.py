"""A part of the board.

Facts from QEMU's hw/arm/z2.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, buffer, description, device, int32, struct, uint32


@device("aer915")
@description("aer915", version_id=1, minimum_version_id=1)
class Aer915(VMState):
    """A part of the board."""

    len: int = int32()
    buf: bytes = buffer(3)


@description("SSISlave", version_id=1, minimum_version_id=1)
class SSISlave(VMState):
    """The `SSISlave`."""

    cs: bool = boolean()


@device("zipit-lcd")
@description("zipit-lcd", version_id=2, minimum_version_id=2)
class ZipitLcd(VMState):
    """A part of the board."""

    ssidev: SSISlave = struct(SSISlave)
    selected: int = int32()
    enabled: int = int32()
    buf: bytes = buffer(3)
    cur_reg: int = uint32()
    pos: int = int32()
