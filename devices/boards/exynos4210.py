"""Devices of Samsung's Exynos 4210.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    REGISTERS,
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    int32,
    part,
    struct,
    uint8,
    uint16,
    uint32,
    uint64,
    vbuffer,
)
from vmstate.devices.core.ptimer import Ptimer

# The clock controller of Samsung's Exynos 4210 (hw/misc/exynos4210_clk.c).


@device("exynos4210.clk")
@description("exynos4210.clk", version_id=1, minimum_version_id=1)
class Exynos4210Clk(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 12)


# The interrupt combiner of Samsung's Exynos 4210 (hw/intc/exynos4210_combiner.c).


@description("exynos4210.combiner.groupstate", version_id=1, minimum_version_id=1)
class Exynos4210CombinerGroupstate(VMState):
    """A group of interrupts: which are masked and pending."""

    src_mask: int = uint8()
    src_pending: int = uint8()


@device("exynos4210.combiner")
@description("exynos4210.combiner", version_id=1, minimum_version_id=1)
class Exynos4210Combiner(VMState):
    """The groups, and registers."""

    group: list[Exynos4210CombinerGroupstate] = array(Exynos4210CombinerGroupstate, 64)
    reg_set: list[int] = array(uint32, 65)
    icipsr: list[int] = array(uint32, 2)
    external: int = uint32()


# The display controller of Samsung's Exynos 4210 (hw/display/exynos4210_fimd.c).


@description("exynos4210.fimd_window", version_id=1, minimum_version_id=1)
class Exynos4210FimdWindow(VMState):
    """A window: where it lies in memory and on the screen, its palette and colour keys."""

    wincon: int = uint32()
    buf_start: list[int] = array(uint32, 3)
    buf_end: list[int] = array(uint32, 3)
    keycon: list[int] = array(uint32, 2)
    keyalpha: int = uint32()
    winmap: int = uint32()
    blendeq: int = uint32()
    rtqoscon: int = uint32()
    palette: list[int] = array(uint32, 256)
    shadow_buf_start: int = uint32()
    shadow_buf_end: int = uint32()
    shadow_buf_size: int = uint32()
    lefttop_x: int = uint16()
    lefttop_y: int = uint16()
    rightbot_x: int = uint16()
    rightbot_y: int = uint16()
    osdsize: int = uint32()
    alpha_val: list[int] = array(uint32, 2)
    virtpage_width: int = uint16()
    virtpage_offsize: int = uint16()


@device("exynos4210.fimd")
@description("exynos4210.fimd", version_id=1, minimum_version_id=1)
class Exynos4210Fimd(VMState):
    """Registers, and the windows."""

    vidcon: list[int] = array(uint32, 4)
    vidtcon: list[int] = array(uint32, 4)
    shadowcon: int = uint32()
    winchmap: int = uint32()
    vidintcon: list[int] = array(uint32, 2)
    dithmode: int = uint32()
    wpalcon: list[int] = array(uint32, 2)
    trigcon: int = uint32()
    i80ifcon: list[int] = array(uint32, 4)
    colorgaincon: int = uint32()
    ldi_cmdcon: list[int] = array(uint32, 2)
    sifccon: list[int] = array(uint32, 3)
    huecoef_cr: list[int] = array(uint32, 4)
    huecoef_cb: list[int] = array(uint32, 4)
    hueoffset: int = uint32()
    i80ifcmd: list[int] = array(uint32, 12)
    blendcon: int = uint32()
    window: list[Exynos4210FimdWindow] = array(Exynos4210FimdWindow, 5, version=1)


# A gate that makes one interrupt of several, of Samsung's Exynos 4210 (hw/intc/exynos4210_gic.c as it was up to
# 7.0).

INPUTS = fact("exynos4210_irq_gate_inputs", (2, 1, 3, 4, 8, 16))
"""Interrupts that the gate has."""


@device("exynos4210.irq_gate", noise={"interrupt": ("level",)})
@description("exynos4210.irq_gate", version_id=2, minimum_version_id=2)
class Exynos4210IRQGate(VMState):
    """Which of the interrupts are up."""

    level: bytes = vbuffer(INPUTS, version=1, private=REGISTERS)


# The I2C controller of Samsung's Exynos 4210 (hw/i2c/exynos4210_i2c.c).


@device("exynos4210.i2c")
@description("exynos4210.i2c", version_id=1, minimum_version_id=1)
class Exynos4210I2c(VMState):
    """Registers: control, status, data, address."""

    i2ccon: int = uint8()
    i2cstat: int = uint8()
    i2cds: int = uint8()
    i2cadd: int = uint8()
    i2clc: int = uint8()
    scl_free: bool = boolean()


# The multi-core timer of Samsung's Exynos 4210: a counter for all, and a local timer of each processor
# (hw/timer/exynos4210_mct.c).


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


# The power management of Samsung's Exynos 4210 (hw/misc/exynos4210_pmu.c).


@device("exynos4210.pmu")
@description("exynos4210.pmu", version_id=1, minimum_version_id=1)
class Exynos4210Pmu(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 144)


# The timers of Samsung's Exynos 4210, which also modulate pulse widths (hw/timer/exynos4210_pwm.c).


@description("exynos4210.pwm.pwm", version_id=1, minimum_version_id=1)
class Exynos4210PwmPwm(VMState):
    """A timer: its number, frequency in Hz, count and comparator."""

    id: int = uint32()
    freq: int = uint32()
    ptimer: Ptimer = struct(Ptimer, version=1)
    reg_tcntb: int = uint32()
    reg_tcmpb: int = uint32()


@device("exynos4210.pwm")
@description("exynos4210.pwm", version_id=1, minimum_version_id=1)
class Exynos4210Pwm(VMState):
    """Configuration, and the timers."""

    reg_tcfg: list[int] = array(uint32, 2)
    reg_tcon: int = uint32()
    reg_tint_cstat: int = uint32()
    timer_: list[Exynos4210PwmPwm] = array(Exynos4210PwmPwm, 5, name="timer")


# The random numbers of Samsung's Exynos 4210 (hw/misc/exynos4210_rng.c).


@device("exynos4210.rng")
@description("exynos4210.rng", version_id=1, minimum_version_id=1)
class Exynos4210Rng(VMState):
    """Numbers that were made, which seeds were set, status and control."""

    randr_value: list[int] = array(int32, 5, private=CONTENTS)
    seed_set: int = uint32()
    reg_status: int = uint32()
    reg_control: int = uint32()


# The real-time clock of Samsung's Exynos 4210 (hw/rtc/exynos4210_rtc.c).


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


# A serial port of Samsung's Exynos 4210 (hw/char/exynos4210_uart.c).

FIFO_SIZE = fact("exynos4210_uart_fifo", (16, 64, 256))
"""Bytes that the FIFO of a port takes: 256 of the first, 64 of the second and the fourth, 16 of the third."""


@description("exynos4210.uart.fifo", version_id=1, minimum_version_id=1)
class Fifo(VMState):
    """Where the next byte is stored and read, and the bytes."""

    sp: int = uint32()
    rp: int = uint32()
    data: bytes = vbuffer(FIFO_SIZE, version=1)


@device("exynos4210.uart")
@description("exynos4210.uart", version_id=1, minimum_version_id=1)
class Exynos4210Uart(VMState):
    """The bytes received, and the registers."""

    rx: Fifo = struct(Fifo, version=1)
    reg: list[int] = array(uint32, 15)
