"""The multi-core timer of Samsung's Exynos 4210: a counter for all, and a local timer of each processor.

Facts from QEMU's hw/timer/exynos4210_mct.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, part, struct, uint32, uint64
from vmstate.devices.core.ptimer import Ptimer


@part(noise={"timer": ("progress", "count")})
@description("exynos4210.mct.tick_timer", version_id=1, minimum_version_id=1)
class TickTimer(VMState):
    """What a local timer has counted: ticks, and interrupts."""

    cnt_run: int = uint32()
    int_run: int = uint32()
    last_icnto: int = uint32()
    last_tcnto: int = uint32()
    tcntb: int = uint32()
    icntb: int = uint32()
    distance: int = uint64()
    progress: int = uint64()
    count: int = uint64()
    ptimer_tick: Ptimer = struct(Ptimer, version=1)


@description("exynos4210.mct.lregs", version_id=1, minimum_version_id=1)
class LocalRegisters(VMState):
    """Registers of a local timer."""

    cnt: list[int] = array(uint32, 6)
    tcon: int = uint32()
    int_cstat: int = uint32()
    int_enb: int = uint32()
    wstat: int = uint32()


@description("exynos4210.mct.lt", version_id=1, minimum_version_id=1)
class LocalTimer(VMState):
    """A local timer: its ticks, its free-running counter and its registers."""

    id: int = int32()
    tick_timer: TickTimer = struct(TickTimer)
    ptimer_frc: Ptimer = struct(Ptimer, version=1)
    reg: LocalRegisters = struct(LocalRegisters)


@part(noise={"timer": ("cnt",)})
@description("exynos4210.mct.lregs", version_id=1, minimum_version_id=1)
class GlobalRegisters(VMState):
    """Registers of the counter for all, and its four comparators."""

    cnt: int = uint64()
    cnt_wstat: int = uint32()
    tcon: int = uint32()
    int_cstat: int = uint32()
    int_enb: int = uint32()
    wstat: int = uint32()
    comp: list[int] = array(uint64, 4)
    comp_add_incr: list[int] = array(uint32, 4)


@part(noise={"timer": ("count",)})
@description("exynos4210.mct.lt", version_id=1, minimum_version_id=1)
class GlobalTimer(VMState):
    """The counter for all; QEMU gives it the names of a local timer."""

    reg: GlobalRegisters = struct(GlobalRegisters)
    count: int = uint64()
    curr_comp: int = int32()
    ptimer_frc: Ptimer = struct(Ptimer, version=1)


@device("exynos4210.mct")
@description("exynos4210.mct", version_id=1, minimum_version_id=1)
class Exynos4210MCT(VMState):
    """Configuration, the timers, and the frequency in Hz."""

    reg_mct_cfg: int = uint32()
    l_timer: list[LocalTimer] = array(LocalTimer, 2)
    g_timer: GlobalTimer = struct(GlobalTimer)
    freq: int = uint32()
