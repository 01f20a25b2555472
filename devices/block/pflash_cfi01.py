"""A parallel flash memory of the Intel command set.

Facts from QEMU's hw/block/pflash_cfi01.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    device,
    fact,
    known_since,
    subsection,
    this,
    uint8,
    uint32,
    uint64,
    vbuffer,
)

WRITE_BLOCK = fact("pflash_write_block", (2048, 4096, 1024, 512, 256, 128, 64, 32))
"""Bytes of a block that is written at once."""


@description(
    "pflash_cfi01_blk_write",
    version_id=1,
    minimum_version_id=1,
    needed=this.blk_offset != 0xFFFFFFFF,
    rules=(known_since(Release(7, 2)),),
)
class BlkWrite(VMState):
    """The block that is being written; sent while one is. New in 9.0, and in stable releases from 7.2 on."""

    blk_bytes: bytes = vbuffer(WRITE_BLOCK)
    blk_offset: int = uint32()


@device("pflash_cfi01")
@description("pflash_cfi01", version_id=1, minimum_version_id=1)
class PFlashCFI01(VMState):
    """The command that is under way. The contents are RAM."""

    wcycle: int = uint8()
    cmd: int = uint8()
    status: int = uint8()
    counter: int = uint64()
    blk_write: BlkWrite | None = subsection(BlkWrite)
