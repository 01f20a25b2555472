"""The real-time clock of Samsung's Exynos 4210.

Facts from QEMU's hw/rtc/exynos4210_rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device(
    "exynos4210.rtc", noise={"timer": ("reg_curticcnt", "current_tm.tm_sec", "current_tm.tm_min", "current_tm.tm_hour")}
)
@description("exynos4210.rtc", version_id=1, minimum_version_id=1)
class Exynos4210Rtc(VMState):
    """Registers, the alarm, the time, and its two timers."""

    reg_intp: int = uint32()
    reg_rtccon: int = uint32()
    reg_ticcnt: int = uint32()
    reg_rtcalm: int = uint32()
    reg_almsec: int = uint32()
    reg_almmin: int = uint32()
    reg_almhour: int = uint32()
    reg_almday: int = uint32()
    reg_almmon: int = uint32()
    reg_almyear: int = uint32()
    reg_curticcnt: int = uint32()
    ptimer: Ptimer = struct(Ptimer, version=1)
    ptimer_1Hz: Ptimer = struct(Ptimer, version=1)
    freq: int = uint32()
    current_tm_tm_sec: int = int32(name="current_tm.tm_sec")
    current_tm_tm_min: int = int32(name="current_tm.tm_min")
    current_tm_tm_hour: int = int32(name="current_tm.tm_hour")
    current_tm_tm_wday: int = int32(name="current_tm.tm_wday")
    current_tm_tm_mday: int = int32(name="current_tm.tm_mday")
    current_tm_tm_mon: int = int32(name="current_tm.tm_mon")
    current_tm_tm_year: int = int32(name="current_tm.tm_year")
