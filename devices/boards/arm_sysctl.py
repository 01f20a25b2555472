"""The registers of Arm's RealView, Versatile and Versatile Express boards.

Facts from QEMU's hw/misc/arm_sysctl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, fact, uint16, uint32, varray

DB_CLOCKS = fact("arm_sysctl_db_clocks", (0, 9, 3, *range(1, 3), *range(4, 9)))
"""Oscillators of the daughterboard: none on RealView and Versatile, 3 or 9 on Versatile Express."""


@device("realview_sysctl")
@description("realview_sysctl", version_id=4, minimum_version_id=1)
class ArmSysctl(VMState):
    """Lights, lock, configuration, flags, and the oscillators of both boards in Hz."""

    leds: int = uint32()
    lockval: int = uint16()
    cfgdata1: int = uint32()
    cfgdata2: int = uint32()
    flags: int = uint32()
    nvflags: int = uint32()
    resetlevel: int = uint32()
    sys_mci: int = uint32(version=2)
    sys_cfgdata: int = uint32(version=2)
    sys_cfgctrl: int = uint32(version=2)
    sys_cfgstat: int = uint32(version=2)
    sys_clcd: int = uint32(version=3)
    mb_clock: list[int] = array(uint32, 6, version=4)
    db_clock: list[int] = varray(uint32, count=DB_CLOCKS, version=4)
