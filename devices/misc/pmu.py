"""The power management unit of later Macintoshes (`mac99,via=pmu`).

Facts from QEMU's hw/misc/macio/pmu.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    REGISTERS,
    VMState,
    buffer,
    description,
    device,
    int64,
    struct,
    subsection,
    timer,
    uint8,
    uint32,
)
from vmstate.devices.misc.mos6522 import Mos6522


@description("pmu/adb", version_id=1, minimum_version_id=1)
class PMUADB(VMState):
    """The answer of the desktop bus; sent where the unit has one."""

    adb_reply_size: int = uint8()
    adb_reply: bytes = buffer(16, private=CONTENTS)


@device("pmu", noise={"timer": ("tick_offset", "one_sec_target")})
@description("pmu", version_id=1, minimum_version_id=1)
class PMU(VMState):
    """The command and the answer that are under way, and the interrupts."""

    parent_obj: Mos6522 = struct(Mos6522, name="mos6522_pmu.parent_obj")
    last_b: int = uint8()
    cmd: int = uint8()
    cmdlen: int = uint32()
    rsplen: int = uint32()
    cmd_buf_pos: int = uint8()
    cmd_buf: bytes = buffer(128, private=REGISTERS)
    cmd_rsp_pos: int = uint8()
    cmd_rsp_sz: int = uint8()
    cmd_rsp: bytes = buffer(128, private=REGISTERS)
    intbits: int = uint8()
    intmask: int = uint8()
    tick_offset: int = uint32()
    one_sec_timer: int = timer()
    one_sec_target: int = int64()
    adb: PMUADB | None = subsection(PMUADB)
