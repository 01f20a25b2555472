"""The memory protection controller of Arm's TrustZone.

Facts from QEMU's hw/misc/tz-mpc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, fact, uint32, varray

BLK_MAX = fact("tz_mpc_blk_max", (1, 128, 64, 16, 256, 65536, 4, 1024))
"""What the boards that have the device make of it."""


@device("tz-mpc")
@description("tz-mpc", version_id=1, minimum_version_id=1)
class TzMpc(VMState):
    """Registers, and which blocks are not secure."""

    ctrl: int = uint32()
    blk_idx: int = uint32()
    int_stat: int = uint32()
    int_en: int = uint32()
    int_info1: int = uint32()
    int_info2: int = uint32()
    blk_lut: list[int] = varray(uint32, count=BLK_MAX)
