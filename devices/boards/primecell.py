"""Arm's PrimeCells, and what else stands on Arm's own boards.

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
    struct,
    timer,
    uint8,
    uint16,
    uint32,
    varray,
    vbuffer,
)
from vmstate.devices.core.ptimer import Ptimer

# Arm's second-level cache controller L210 and PL310 (hw/misc/arm_l2x0.c).


@device("l2x0")
@description("l2x0", version_id=1, minimum_version_id=1)
class L2x0(VMState):
    """Registers: control, latencies, address filter."""

    ctrl: int = uint32()
    aux_ctrl: int = uint32()
    data_ctrl: int = uint32()
    tag_ctrl: int = uint32()
    filter_start: int = uint32()
    filter_end: int = uint32()


# The registers of Arm's RealView, Versatile and Versatile Express boards (hw/misc/arm_sysctl.c).

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


# Arm's dual timer SP804, and the timers that it and Integrator are made of (hw/timer/arm_timer.c).


@device("arm_timer")
@description("arm_timer", version_id=1, minimum_version_id=1)
class ArmTimer(VMState):
    """A timer."""

    control: int = uint32()
    limit: int = uint32()
    int_level: int = int32()
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)


@device("sp804")
@description("sp804", version_id=1, minimum_version_id=1)
class Sp804(VMState):
    """Which of its two timers interrupt."""

    level: list[int] = array(int32, 2)


# Arm's SPI controller PL022 (hw/ssi/pl022.c).


@device("pl022_ssp")
@description("pl022_ssp", version_id=1, minimum_version_id=1)
class Pl022Ssp(VMState):
    """Registers, and words to be sent and received."""

    cr0: int = uint32()
    cr1: int = uint32()
    bitmask: int = uint32()
    sr: int = uint32()
    cpsr: int = uint32()
    is_: int = uint32(name="is")
    im: int = uint32()
    tx_fifo_head: int = int32()
    rx_fifo_head: int = int32()
    tx_fifo_len: int = int32()
    rx_fifo_len: int = int32()
    tx_fifo_0: int = uint16(name="tx_fifo[0]", private=CONTENTS)
    rx_fifo_0: int = uint16(name="rx_fifo[0]", private=CONTENTS)
    tx_fifo_1: int = uint16(name="tx_fifo[1]", private=CONTENTS)
    rx_fifo_1: int = uint16(name="rx_fifo[1]", private=CONTENTS)
    tx_fifo_2: int = uint16(name="tx_fifo[2]", private=CONTENTS)
    rx_fifo_2: int = uint16(name="rx_fifo[2]", private=CONTENTS)
    tx_fifo_3: int = uint16(name="tx_fifo[3]", private=CONTENTS)
    rx_fifo_3: int = uint16(name="rx_fifo[3]", private=CONTENTS)
    tx_fifo_4: int = uint16(name="tx_fifo[4]", private=CONTENTS)
    rx_fifo_4: int = uint16(name="rx_fifo[4]", private=CONTENTS)
    tx_fifo_5: int = uint16(name="tx_fifo[5]", private=CONTENTS)
    rx_fifo_5: int = uint16(name="rx_fifo[5]", private=CONTENTS)
    tx_fifo_6: int = uint16(name="tx_fifo[6]", private=CONTENTS)
    rx_fifo_6: int = uint16(name="rx_fifo[6]", private=CONTENTS)
    tx_fifo_7: int = uint16(name="tx_fifo[7]", private=CONTENTS)
    rx_fifo_7: int = uint16(name="rx_fifo[7]", private=CONTENTS)


# Arm's AC'97 interface PL041, and the codec LM4549 behind it (hw/audio/pl041.c).


@description("pl041_regfile", version_id=1, minimum_version_id=1)
class Pl041Regfile(VMState):
    """Registers of the interface."""

    rxcr1: int = uint32()
    txcr1: int = uint32()
    sr1: int = uint32()
    isr1: int = uint32()
    ie1: int = uint32()
    rxcr2: int = uint32()
    txcr2: int = uint32()
    sr2: int = uint32()
    isr2: int = uint32()
    ie2: int = uint32()
    rxcr3: int = uint32()
    txcr3: int = uint32()
    sr3: int = uint32()
    isr3: int = uint32()
    ie3: int = uint32()
    rxcr4: int = uint32()
    txcr4: int = uint32()
    sr4: int = uint32()
    isr4: int = uint32()
    ie4: int = uint32()
    sl1rx: int = uint32()
    sl1tx: int = uint32()
    sl2rx: int = uint32()
    sl2tx: int = uint32()
    sl12rx: int = uint32()
    sl12tx: int = uint32()
    slfr: int = uint32()
    slistat: int = uint32()
    slien: int = uint32()
    intclr: int = uint32()
    maincr: int = uint32()
    reset: int = uint32()
    sync: int = uint32()
    allints: int = uint32()
    mainfr: int = uint32()
    unused_: int = uint32(name="unused")
    dr1_0: int = uint32()
    dr1_1: int = uint32()
    dr1_2: int = uint32()
    dr1_3: int = uint32()
    dr1_4: int = uint32()
    dr1_5: int = uint32()
    dr1_6: int = uint32()
    dr1_7: int = uint32()
    dr2_0: int = uint32()
    dr2_1: int = uint32()
    dr2_2: int = uint32()
    dr2_3: int = uint32()
    dr2_4: int = uint32()
    dr2_5: int = uint32()
    dr2_6: int = uint32()
    dr2_7: int = uint32()
    dr3_0: int = uint32()
    dr3_1: int = uint32()
    dr3_2: int = uint32()
    dr3_3: int = uint32()
    dr3_4: int = uint32()
    dr3_5: int = uint32()
    dr3_6: int = uint32()
    dr3_7: int = uint32()
    dr4_0: int = uint32()
    dr4_1: int = uint32()
    dr4_2: int = uint32()
    dr4_3: int = uint32()
    dr4_4: int = uint32()
    dr4_5: int = uint32()
    dr4_6: int = uint32()
    dr4_7: int = uint32()


@description("pl041_fifo", version_id=1, minimum_version_id=1)
class Pl041Fifo(VMState):
    """Samples on their way."""

    level: int = uint32()
    data: list[int] = array(uint32, 1024, private=CONTENTS)


@description("pl041_channel", version_id=1, minimum_version_id=1)
class Pl041Channel(VMState):
    """A channel: samples to be played and recorded."""

    tx_fifo: Pl041Fifo = struct(Pl041Fifo)
    tx_enabled: int = uint8()
    tx_compact_mode: int = uint8()
    tx_sample_size: int = uint8()
    rx_fifo: Pl041Fifo = struct(Pl041Fifo)
    rx_enabled: int = uint8()
    rx_compact_mode: int = uint8()
    rx_sample_size: int = uint8()


@description("lm4549_state", version_id=1, minimum_version_id=1)
class Lm4549State(VMState):
    """The codec: its registers, and samples to be played."""

    voice_is_active: int = uint32()
    regfile: list[int] = array(uint16, 128)
    buffer_: list[int] = array(uint16, 1024, name="buffer", private=CONTENTS)
    buffer_level: int = uint32()


@device("pl041")
@description("pl041", version_id=1, minimum_version_id=1)
class Pl041(VMState):
    """Registers, channel and codec."""

    fifo_depth: int = uint32()
    regs: Pl041Regfile = struct(Pl041Regfile)
    fifo1: Pl041Channel = struct(Pl041Channel)
    codec: Lm4549State = struct(Lm4549State)


# Arm's keyboard and mouse interface PL050 (hw/input/pl050.c).


@device("pl050")
@description("pl050", version_id=2, minimum_version_id=2)
class Pl050(VMState):
    """Registers, and the byte received last."""

    cr: int = uint32()
    clk: int = uint32()
    last: int = uint32(private=CONTENTS)
    pending: int = int32()


# Arm's DMA controllers PL080 and PL081 (hw/dma/pl080.c).


@description("pl080_channel", version_id=1, minimum_version_id=1)
class Pl080Channel(VMState):
    """A channel: where it reads and writes, and the next item of its list."""

    src: int = uint32()
    dest: int = uint32()
    lli: int = uint32()
    ctrl: int = uint32()
    conf: int = uint32()


@device("pl080")
@description("pl080", version_id=1, minimum_version_id=1)
class Pl080(VMState):
    """Interrupts, requests, and the channels."""

    tc_int: int = uint8()
    tc_mask: int = uint8()
    err_int: int = uint8()
    err_mask: int = uint8()
    conf: int = uint32()
    sync: int = uint32()
    req_single: int = uint32()
    req_burst: int = uint32()
    tc_int_2: int = uint8(name="tc_int")
    tc_int_3: int = uint8(name="tc_int")
    tc_int_4: int = uint8(name="tc_int")
    chan: list[Pl080Channel] = array(Pl080Channel, 8, version=1)
    running: int = int32()


# Arm's display controllers PL110 and PL111 (hw/display/pl110.c).


@device("pl110")
@description("pl110", version_id=2, minimum_version_id=1)
class Pl110(VMState):
    """Registers, the picture's size, and the palette."""

    version: int = int32()
    timing: list[int] = array(uint32, 4)
    cr: int = uint32()
    upbase: int = uint32()
    lpbase: int = uint32()
    int_status: int = uint32()
    int_mask: int = uint32()
    cols: int = int32()
    rows: int = int32()
    bpp: int = uint32()
    invalidate: int = int32()
    palette: list[int] = array(uint32, 256)
    raw_palette: list[int] = array(uint32, 128)
    mux_ctrl: int = uint32(version=2)


# Arm's controller of SD cards PL181 (hw/sd/pl181.c).


@device("pl181")
@description("pl181", version_id=1, minimum_version_id=1)
class Pl181(VMState):
    """Registers, the card's answer, and the words on their way."""

    clock: int = uint32()
    power: int = uint32()
    cmdarg: int = uint32()
    cmd: int = uint32()
    datatimer: int = uint32()
    datalength: int = uint32()
    respcmd: int = uint32()
    response: list[int] = array(uint32, 4, private=CONTENTS)
    datactrl: int = uint32()
    datacnt: int = uint32()
    status: int = uint32()
    mask: list[int] = array(uint32, 2)
    fifo_pos: int = int32()
    fifo_len: int = int32()
    linux_hack: int = int32()
    fifo: list[int] = array(uint32, 16, private=CONTENTS)


# Arm's interrupt controller PL190 (hw/intc/pl190.c).


@device("pl190")
@description("pl190", version_id=1, minimum_version_id=1)
class Pl190(VMState):
    """Lines, vectors, and the priority that runs."""

    level: int = uint32()
    soft_level: int = uint32()
    irq_enable: int = uint32()
    fiq_select: int = uint32()
    vect_control: list[int] = array(uint8, 16)
    vect_addr: list[int] = array(uint32, 17)
    prio_mask: list[int] = array(uint32, 18)
    protected: int = int32()
    priority: int = int32()
    prev_prio: list[int] = array(int32, 17)


# Arm's DMA controller PL330 (hw/dma/pl330.c).

CHANNELS = fact("pl330_channels", (8, 4))
"""Channels of the controller: 8 on every board of QEMU's."""

FIFO_SIZE = fact("pl330_fifo", (256, 1024, 4096))
"""Bytes that the FIFO takes: lines of it, times the width of the bus, as the boards set them."""

QUEUE_SIZE = fact("pl330_queue", (8, 16))
"""Entries of the queues of reads and of writes."""


@description("pl330_chan", version_id=1, minimum_version_id=1)
class Chan(VMState):
    """A thread: where it reads, writes and executes, and what it waits for."""

    src: int = uint32()
    dst: int = uint32()
    pc: int = uint32()
    control: int = uint32()
    status: int = uint32()
    lc: list[int] = array(uint32, 2)
    fault_type: int = uint32()
    watchdog_timer: int = uint32()
    ns: bool = boolean()
    request_flag: int = uint8()
    wakeup: int = uint8()
    wfp_sbp: int = uint8()
    state: int = uint8()
    stall: int = uint8()


@description("pl330_chan", version_id=1, minimum_version_id=1)
class Fifo(VMState):
    """The bytes on their way, and the thread of each; QEMU gives it the name of a thread."""

    buf: bytes = vbuffer(FIFO_SIZE, version=1)
    tag: bytes = vbuffer(FIFO_SIZE, version=1, private=REGISTERS)
    head: int = uint32()
    num: int = uint32()
    buf_size: int = uint32()


@description("pl330_queue_entry", version_id=1, minimum_version_id=1)
class QueueEntry(VMState):
    """A read or a write that waits."""

    addr: int = uint32()
    len: int = uint32()
    n: int = uint8()
    inc: bool = boolean()
    z: bool = boolean()
    tag: int = uint8()
    seqn: int = uint8()


@description("pl330_queue", version_id=2, minimum_version_id=2)
class Queue(VMState):
    """What waits."""

    queue: list[QueueEntry] = varray(QueueEntry, count=QUEUE_SIZE)


@device("pl330", noise={"timer": ("timer",)})
@description("pl330", version_id=2, minimum_version_id=2)
class PL330(VMState):
    """The threads, what they move, and the registers."""

    manager: Chan = struct(Chan)
    chan: list[Chan] = varray(Chan, count=CHANNELS)
    lo_seqn: bytes = vbuffer(CHANNELS, private=REGISTERS)
    hi_seqn: bytes = vbuffer(CHANNELS, private=REGISTERS)
    fifo: Fifo = struct(Fifo)
    read_queue: Queue = struct(Queue)
    write_queue: Queue = struct(Queue)
    timer_: int = timer(name="timer")
    inten: int = uint32()
    int_status: int = uint32()
    ev_status: int = uint32()
    dbg: list[int] = array(uint32, 2)
    debug_status: int = uint8()
    num_faulting: int = uint8()
    periph_busy: list[int] = array(uint8, 32)


# Arm's Integrator board: core module, control registers and interrupt controller (hw/arm/integratorcp.c).


@device("icp_control")
@description("icp_control", version_id=1, minimum_version_id=1)
class IcpControl(VMState):
    """Which interrupts of the board are up."""

    intreg_state: int = uint32()


@device("icp_pic")
@description("icp_pic", version_id=1, minimum_version_id=1)
class IcpPic(VMState):
    """Lines, and which are enabled."""

    level: int = uint32()
    irq_enabled: int = uint32()
    fiq_enabled: int = uint32()


@device("integratorcm")
@description("integratorcm", version_id=1, minimum_version_id=1)
class Integratorcm(VMState):
    """Registers of the core module."""

    cm_osc: int = uint32()
    cm_ctrl: int = uint32()
    cm_lock: int = uint32()
    cm_auxosc: int = uint32()
    cm_sdram: int = uint32()
    cm_init: int = uint32()
    cm_flags: int = uint32()
    cm_nvflags: int = uint32()
    int_level: int = uint32()
    irq_enabled: int = uint32()
    fiq_enabled: int = uint32()


# The generic watchdog of Arm's SBSA (hw/watchdog/sbsa_gwdt.c).


@device("sbsa-gwdt", noise={"timer": ("timer",)})
@description("sbsa-gwdt", version_id=1, minimum_version_id=1)
class SbsaGwdt(VMState):
    """The timer, offset, compare value and status."""

    timer_: int = timer(name="timer")
    wcs: int = uint32()
    worl: int = uint32()
    woru: int = uint32()
    wcvl: int = uint32()
    wcvu: int = uint32()


# The PCI host of Arm's Versatile, RealView and Versatile Express (hw/pci-host/versatile.c).


@device("versatile-pci")
@description("versatile-pci", version_id=1, minimum_version_id=1)
class VersatilePci(VMState):
    """Windows, and how interrupts are mapped."""

    imap: list[int] = array(uint32, 3)
    smap: list[int] = array(uint32, 3)
    selfid: int = uint32()
    flags: int = uint32()
    irq_mapping: int = uint8()


# The second interrupt controller of Arm's Versatile (hw/arm/versatilepb.c).


@device("versatilepb_sic")
@description("versatilepb_sic", version_id=1, minimum_version_id=1)
class VersatilepbSic(VMState):
    """Lines, which are enabled, and which go straight on."""

    level: int = uint32()
    mask: int = uint32()
    pic_enable: int = uint32()
