"""What Arm's SSE subsystems and the boards MPS2 and MPS3 are made of.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Release,
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    int64,
    known_since,
    part,
    struct,
    subsection,
    timer,
    uint8,
    uint32,
    uint64,
    variant,
    varray,
)
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.ptimer import Ptimer

# Arm's subsystem for embedded (IoTKit, SSE-200, SSE-300): what is of the whole (hw/arm/armsse.c).


@device("iotkit")
@description("iotkit", version_id=2, minimum_version_id=2)
class Iotkit(VMState):
    """The clocks, and which masters are not secure."""

    mainclk: Clock | None = struct(Clock)
    s32kclk: Clock | None = struct(Clock)
    nsccfg: int = uint32()


IOTKIT_5_2 = variant(Iotkit, None, 1, mainclk=None, s32kclk=None)
"""Of 5.2."""


# The power control of a processor in Arm's SSE-300 (hw/misc/armsse-cpu-pwrctrl.c).


@device("armsse-cpu-pwrctrl")
@description("armsse-cpu-pwrctrl", version_id=1, minimum_version_id=1)
class ArmsseCpuPwrctrl(VMState):
    """Its register."""

    cpupwrcfg: int = uint32()


# The message handling unit between the processors of Arm's SSE-200 (hw/misc/armsse-mhu.c).


@device("armsse-mhu")
@description("armsse-mhu", version_id=1, minimum_version_id=1)
class ArmsseMhu(VMState):
    """Interrupts that one gives the other."""

    cpu0intr: int = uint32()
    cpu1intr: int = uint32()


# The dual timer of Arm's Cortex-M System Design Kit (hw/timer/cmsdk-apb-dualtimer.c).


@description("cmsdk-apb-dualtimer-module", version_id=1, minimum_version_id=1)
class CmsdkApbDualtimerModule(VMState):
    """A timer."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    load: int = uint32()
    value: int = uint32()
    control: int = uint32()
    intstatus: int = uint32()


@device("cmsdk-apb-dualtimer")
@description("cmsdk-apb-dualtimer", version_id=2, minimum_version_id=2)
class CmsdkApbDualtimer(VMState):
    """The clock, the two timers, and the registers for tests."""

    timclk: Clock | None = struct(Clock)
    timermod: list[CmsdkApbDualtimerModule] = array(CmsdkApbDualtimerModule, 2, version=1)
    timeritcr: int = uint32()
    timeritop: int = uint32()


CMSDK_APB_DUALTIMER_5_2 = variant(CmsdkApbDualtimer, None, 1, timclk=None)
"""Of 5.2."""


# The timer of Arm's Cortex-M System Design Kit (hw/timer/cmsdk-apb-timer.c).


@device("cmsdk-apb-timer")
@description("cmsdk-apb-timer", version_id=2, minimum_version_id=2)
class CmsdkApbTimer(VMState):
    """The timer, its clock and its registers."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    pclk: Clock | None = struct(Clock)
    ctrl: int = uint32()
    value: int = uint32()
    reload: int = uint32()
    intstatus: int = uint32()


CMSDK_APB_TIMER_5_2 = variant(CmsdkApbTimer, None, 1, pclk=None)
"""Of 5.2."""


# The serial port of Arm's Cortex-M System Design Kit (hw/char/cmsdk-apb-uart.c).


@device("cmsdk-apb-uart")
@description("cmsdk-apb-uart", version_id=1, minimum_version_id=1)
class CmsdkApbUart(VMState):
    """Registers, and a byte each way."""

    state: int = uint32()
    ctrl: int = uint32()
    intstatus: int = uint32()
    bauddiv: int = uint32()
    txbuf: int = uint8(private=CONTENTS)
    rxbuf: int = uint8(private=CONTENTS)


# The watchdog of Arm's Cortex-M System Design Kit (hw/watchdog/cmsdk-apb-watchdog.c).


@device("cmsdk-apb-watchdog")
@description("cmsdk-apb-watchdog", version_id=2, minimum_version_id=2)
class CmsdkApbWatchdog(VMState):
    """The clock, the timer and the registers."""

    wdogclk: Clock | None = struct(Clock)
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    control: int = uint32()
    intstatus: int = uint32()
    lock: int = uint32()
    itcr: int = uint32()
    itop: int = uint32()
    resetstatus: int = uint32()


CMSDK_APB_WATCHDOG_5_2 = variant(CmsdkApbWatchdog, None, 1, wdogclk=None)
"""Of 5.2."""


# The security control of Arm's IoTKit and SSE (hw/misc/iotkit-secctl.c).


@description("iotkit-secctl-ppc", version_id=1, minimum_version_id=1)
class IotkitSecctlPpc(VMState):
    """A group of peripherals: which are for whom."""

    ns: int = uint32()
    sp: int = uint32()
    nsp: int = uint32()


@description("iotkit-secctl-mpcintstatus", version_id=1, minimum_version_id=1)
class IotkitSecctlMpcintstatus(VMState):
    """Interrupts of the memory protection."""

    mpcintstatus: int = uint32()


@description("iotkit-secctl/msc", version_id=1, minimum_version_id=1)
class IotkitSecctlMsc(VMState):
    """Interrupts of the master security controllers."""

    secmscintstat: int = uint32()
    secmscinten: int = uint32()
    nsmscexp: int = uint32()


@device("iotkit-secctl")
@description("iotkit-secctl", version_id=1, minimum_version_id=1)
class IotkitSecctl(VMState):
    """Interrupts, answers to what is refused, and the groups."""

    secppcintstat: int = uint32()
    secppcinten: int = uint32()
    secrespcfg: int = uint32()
    nsccfg: int = uint32()
    brginten: int = uint32()
    apb: list[IotkitSecctlPpc] = array(IotkitSecctlPpc, 2, version=1)
    apbexp: list[IotkitSecctlPpc] = array(IotkitSecctlPpc, 4, version=1)
    ahbexp: list[IotkitSecctlPpc] = array(IotkitSecctlPpc, 4, version=1)
    mpcintstatus: IotkitSecctlMpcintstatus | None = subsection(IotkitSecctlMpcintstatus)
    msc: IotkitSecctlMsc | None = subsection(IotkitSecctlMsc)


# The system control of Arm's IoTKit and SSE (hw/misc/iotkit-sysctl.c).


@description("iotkit-sysctl/sse-200", version_id=1, minimum_version_id=1)
class IotkitSysctlSse200(VMState):
    """What SSE-200 has besides; sent by it."""

    scsecctrl: int = uint32()
    fclk_div: int = uint32()
    sysclk_div: int = uint32()
    clock_force: int = uint32()
    initsvtor1: int = uint32()
    nmi_enable: int = uint32()
    pdcm_pd_sys_sense: int = uint32()
    pdcm_pd_sram0_sense: int = uint32()
    pdcm_pd_sram1_sense: int = uint32()
    pdcm_pd_sram2_sense: int = uint32()
    pdcm_pd_sram3_sense: int = uint32()


@description("iotkit-sysctl/sse-300", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 0)),))
class IotkitSysctlSse300(VMState):
    """What SSE-300 has besides; sent by it."""

    pwrctrl: int = uint32()
    pdcm_pd_cpu0_sense: int = uint32()
    pdcm_pd_vmr0_sense: int = uint32()
    pdcm_pd_vmr1_sense: int = uint32()


@device("iotkit-sysctl")
@description("iotkit-sysctl", version_id=1, minimum_version_id=1)
class IotkitSysctl(VMState):
    """Reset, where processors start, and who waits."""

    secure_debug: int = uint32()
    reset_syndrome: int = uint32()
    reset_mask: int = uint32()
    gretreg: int = uint32()
    initsvtor0: int = uint32()
    cpuwait: int = uint32()
    wicctrl: int = uint32()
    sse_200: IotkitSysctlSse200 | None = subsection(IotkitSysctlSse200)
    sse_300: IotkitSysctlSse300 | None = subsection(IotkitSysctlSse300)


# The lights, switches and counters of Arm's MPS2 and MPS3 (hw/misc/mps2-fpgaio.c).


@part(
    noise={
        "timer": (
            "counter",
            "pscntr",
            "pscntr_sync_ticks",
        )
    }
)
@description("mps2-fpgaio/counters", version_id=2, minimum_version_id=2)
class Counters(VMState):
    """The counters, which 5.2 sends beside the registers."""

    clk1hz_tick_offset: int = int64()
    clk100hz_tick_offset: int = int64()
    counter: int = uint32()
    pscntr: int = uint32()
    pscntr_sync_ticks: int = int64()


@device(
    "mps2-fpgaio",
    noise={
        "timer": (
            "counter",
            "pscntr",
            "pscntr_sync_ticks",
        )
    },
)
@description("mps2-fpgaio", version_id=3, minimum_version_id=3)
class Mps2Fpgaio(VMState):
    """Registers, and the counters with the time at which they were looked at."""

    led0: int = uint32()
    prescale: int = uint32()
    misc: int = uint32()
    dbgctrl: int = uint32()
    clk1hz_tick_offset: int = int64()
    clk100hz_tick_offset: int = int64()
    counter: int = uint32()
    pscntr: int = uint32()
    pscntr_sync_ticks: int = int64()


@device("mps2-fpgaio", order=1)
@description("mps2-fpgaio", version_id=1, minimum_version_id=1)
class Mps2FpgaioUpTo5_2(VMState):
    """The registers up to 5.2, with the counters in a subsection."""

    led0: int = uint32()
    prescale: int = uint32()
    misc: int = uint32()
    counters: Counters | None = subsection(Counters)


# The system configuration of Arm's MPS2 and MPS3 (hw/misc/mps2-scc.c).

NUM_OSCCLK = fact("mps2_scc_num_oscclk", (3, 6, 7))
"""What the boards that have the device make of it."""


@description("mps2-scc/cfg7", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 0)),))
class Mps2SccCfg7(VMState):
    """Configuration register 7; sent by the board that has it."""

    cfg7: int = uint32()


@device("mps2-scc")
@description("mps2-scc", version_id=3, minimum_version_id=3)
class Mps2Scc(VMState):
    """Registers, and the board's oscillators in Hz."""

    cfg0: int = uint32()
    cfg1: int = uint32()
    cfg2: int | None = uint32()
    cfg5: int | None = uint32()
    cfg6: int | None = uint32()
    cfgdata_rtn: int = uint32()
    cfgdata_out: int = uint32()
    cfgctrl: int = uint32()
    cfgstat: int = uint32()
    dll: int = uint32()
    oscclk: list[int] = varray(uint32, count=NUM_OSCCLK)
    cfg7: Mps2SccCfg7 | None = subsection(Mps2SccCfg7)


MPS2_SCC_5_2 = variant(Mps2Scc, None, 1, cfg2=None, cfg5=None, cfg6=None, oscclk=array(uint32, 3))
"""Of 5.2."""


# The system counter of Arm's SSE-300 (hw/timer/sse-counter.c).


@device("sse-counter")
@description("sse-counter", version_id=1, minimum_version_id=1)
class SseCounter(VMState):
    """Its clock."""

    clk: Clock = struct(Clock)


# A timer of Arm's SSE-300, on the system counter (hw/timer/sse-timer.c).


@device("sse-timer", noise={"timer": ("timer",)})
@description("sse-timer", version_id=1, minimum_version_id=1)
class SseTimer(VMState):
    """The timer, and registers."""

    timer_: int = timer(name="timer")
    cntfrq: int = uint32()
    cntp_ctl: int = uint32()
    cntp_cval: int = uint64()
    cntp_aival: int = uint64()
    cntp_aival_ctl: int = uint32()
    cntp_aival_reload: int = uint32()


# The memory protection controller of Arm's TrustZone (hw/misc/tz-mpc.c).

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


# The master security controller of Arm's TrustZone (hw/misc/tz-msc.c).


@device("tz-msc")
@description("tz-msc", version_id=1, minimum_version_id=1)
class TzMsc(VMState):
    """How it is configured, and its interrupt."""

    cfg_nonsec: bool = boolean()
    cfg_sec_resp: bool = boolean()
    irq_clear: bool = boolean()
    irq_status: bool = boolean()


# The peripheral protection controller of Arm's TrustZone (hw/misc/tz-ppc.c).


@device("tz-ppc")
@description("tz-ppc", version_id=1, minimum_version_id=1)
class TzPpc(VMState):
    """Who may reach which peripheral, and its interrupt."""

    cfg_nonsec: list[bool] = array(boolean, 16)
    cfg_ap: list[bool] = array(boolean, 16)
    cfg_sec_resp: bool = boolean()
    irq_enable: bool = boolean()
    irq_clear: bool = boolean()
    irq_status: bool = boolean()
