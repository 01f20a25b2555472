"""Devices of Broadcom's SoCs of the Raspberry Pi.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    array_of_pointer,
    boolean,
    buffer,
    description,
    device,
    int32,
    struct,
    timer,
    uint8,
    uint32,
    uint64,
    unused,
    variant,
)
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.fifo8 import Fifo8

# The small serial port of Broadcom's BCM2835 (hw/char/bcm2835_aux.c).


@device("bcm2835-aux")
@description("bcm2835-aux", version_id=1, minimum_version_id=1)
class Bcm2835Aux(VMState):
    """The bytes received, and interrupts."""

    read_fifo: list[int] = array(uint8, 8)
    read_pos: int = uint8()
    read_count: int = uint8()
    ier: int = uint8()
    iir: int = uint8()


# The clocks of Broadcom's BCM2835: loops, their channels, multiplexers (hw/misc/bcm2835_cprman.c).


@device("bcm2835-cprman")
@description("bcm2835-cprman", version_id=1, minimum_version_id=1)
class Bcm2835Cprman(VMState):
    """Registers of all of them."""

    regs: list[int] = array(uint32, 2048)


@device("bcm2835-cprman-dsi0hsck-mux")
@description("bcm2835-cprman-dsi0hsck-mux", version_id=1, minimum_version_id=1)
class Bcm2835CprmanDsi0hsckMux(VMState):
    """The multiplexer of a display's clock: its two sources."""

    plla_in: Clock = struct(Clock)
    plld_in: Clock = struct(Clock)


@device("bcm2835-cprman-pll")
@description("bcm2835-cprman-pll", version_id=1, minimum_version_id=1)
class Bcm2835CprmanPll(VMState):
    """A phase-locked loop: its source."""

    xosc_in: Clock = struct(Clock)


@device("bcm2835-cprman-pll-channel")
@description("bcm2835-cprman-pll-channel", version_id=1, minimum_version_id=1)
class Bcm2835CprmanPllChannel(VMState):
    """A channel of a phase-locked loop: its source."""

    pll_in: Clock = struct(Clock)


@device("bcm2835-cprman-clock-mux")
@description("bcm2835-cprman-clock-mux", version_id=1, minimum_version_id=1)
class Bcm2835CprmanClockMux(VMState):
    """Which of ten sources a clock comes from: the sources."""

    srcs: list[Clock | None] = array_of_pointer(Clock, 10)


CLOCK_5_2 = variant(Clock, muldiv=None)
BCM2835_CPRMAN_CLOCK_MUX_5_2 = variant(Bcm2835CprmanClockMux, srcs=array_of_pointer(CLOCK_5_2, 10))
"""Of 5.2, whose clocks have no multiplier."""


# The DMA controller of Broadcom's BCM2835 (hw/dma/bcm2835_dma.c).


@description("bcm2835-dma-chan", version_id=1, minimum_version_id=1)
class Bcm2835DmaChan(VMState):
    """A channel: where it reads and writes, how much, and the next block of control."""

    cs: int = uint32()
    conblk_ad: int = uint32()
    ti: int = uint32()
    source_ad: int = uint32()
    dest_ad: int = uint32()
    txfr_len: int = uint32()
    stride: int = uint32()
    nextconbk: int = uint32()
    debug: int = uint32()


@device("bcm2835-dma")
@description("bcm2835-dma", version_id=1, minimum_version_id=1)
class Bcm2835Dma(VMState):
    """The channels, and which of them run and interrupt."""

    chan: list[Bcm2835DmaChan] = array(Bcm2835DmaChan, 16, version=1)
    int_status: int = uint32()
    enable: int = uint32()


# The display of Broadcom's BCM2835, which the firmware sets up (hw/display/bcm2835_fb.c).


@device("bcm2835-fb")
@description("bcm2835-fb", version_id=1, minimum_version_id=1)
class Bcm2835Fb(VMState):
    """Size, depth, place in memory, and what is asked of it."""

    lock: bool = boolean()
    invalidate: bool = boolean()
    pending: bool = boolean()
    config_xres: int = uint32(name="config.xres")
    config_yres: int = uint32(name="config.yres")
    config_xres_virtual: int = uint32(name="config.xres_virtual")
    config_yres_virtual: int = uint32(name="config.yres_virtual")
    config_xoffset: int = uint32(name="config.xoffset")
    config_yoffset: int = uint32(name="config.yoffset")
    config_bpp: int = uint32(name="config.bpp")
    config_base: int = uint32(name="config.base")
    unused_0: None = unused(8)
    config_pixo: int = uint32(name="config.pixo")
    config_alpha: int = uint32(name="config.alpha")


# The general-purpose lines of Broadcom's BCM2835 (hw/gpio/bcm2835_gpio.c).


@device("bcm2835_gpio")
@description("bcm2835_gpio", version_id=1, minimum_version_id=1)
class Bcm2835Gpio(VMState):
    """General-purpose lines of Broadcom's BCM2835 to BCM2838."""

    fsel: list[int] = array(uint8, 54)
    lev0: int = uint32()
    lev1: int = uint32()
    sd_fsel: int = uint8()


# The I2C controller of Broadcom's BCM2835 (hw/i2c/bcm2835_i2c.c).


@device("bcm2835-i2c")
@description("bcm2835-i2c", version_id=1, minimum_version_id=1)
class Bcm2835I2c(VMState):
    """Registers by their names in the data sheet, and the length asked for last."""

    c: int = uint32()
    s: int = uint32()
    dlen: int = uint32()
    a: int = uint32()
    div: int = uint32()
    del_: int = uint32(name="del")
    clkt: int = uint32()
    last_dlen: int = uint32()


# The interrupt controller of Broadcom's BCM2835 (hw/intc/bcm2835_ic.c).


@device("bcm2835-ic")
@description("bcm2835-ic", version_id=1, minimum_version_id=1)
class Bcm2835Ic(VMState):
    """Lines of the GPU and of the processor, and which are enabled."""

    gpu_irq_level: int = uint64()
    gpu_irq_enable: int = uint64()
    arm_irq_level: int = uint8()
    arm_irq_enable: int = uint8()
    fiq_enable: bool = boolean()
    fiq_select: int = uint8()


# The mailboxes between the processor and the GPU of Broadcom's BCM2835 (hw/misc/bcm2835_mbox.c).


@description("bcm2835-mbox_box", version_id=1, minimum_version_id=1)
class Bcm2835MboxBox(VMState):
    """A mailbox: its messages, how many, status and configuration."""

    reg: list[int] = array(uint32, 32)
    count: int = uint32()
    status: int = uint32()
    config: int = uint32()


@device("bcm2835-mbox")
@description("bcm2835-mbox", version_id=1, minimum_version_id=1)
class Bcm2835Mbox(VMState):
    """The mailboxes, and which channels have an answer."""

    available: list[bool] = array(boolean, 9)
    mbox: list[Bcm2835MboxBox] = array(Bcm2835MboxBox, 2, version=1)


# The parallel host interface of Broadcom's BCM2835, as much as its USB driver asks for (hw/misc/bcm2835_mphi.c).


@device("mphi")
@description("mphi", version_id=1, minimum_version_id=1)
class Mphi(VMState):
    """Registers."""

    outdda: int = uint32()
    outddb: int = uint32()
    ctrl: int = uint32()
    intstat: int = uint32()
    swirq: int = uint32()


# The words that are written once, of Broadcom's BCM2835 (hw/nvram/bcm2835_otp.c).


@device("bcm2835-otp")
@description("bcm2835-otp", version_id=1, minimum_version_id=1)
class Bcm2835Otp(VMState):
    """The words, some of them keys."""

    otp_rows: list[int] = array(uint32, 66, private=CONTENTS)


# The power management of Broadcom's BCM2835: reset and watchdog (hw/misc/bcm2835_powermgt.c).


@device("bcm2835-powermgt")
@description("bcm2835-powermgt", version_id=1, minimum_version_id=1)
class Bcm2835Powermgt(VMState):
    """Registers."""

    rstc: int = uint32()
    rsts: int = uint32()
    wdog: int = uint32()


# The firmware's answers to what a guest asks by mailbox, of Broadcom's BCM2835 (hw/misc/bcm2835_property.c).


@device("bcm2835-property")
@description("bcm2835-property", version_id=1, minimum_version_id=1)
class Bcm2835Property(VMState):
    """The MAC address, and the question under way."""

    macaddr: bytes = buffer(6)
    addr: int = uint32()
    pending: bool = boolean()


# The random numbers of Broadcom's BCM2835 (hw/misc/bcm2835_rng.c).


@device("bcm2835-rng")
@description("bcm2835-rng", version_id=1, minimum_version_id=1)
class Bcm2835Rng(VMState):
    """Control and status."""

    rng_ctrl: int = uint32()
    rng_status: int = uint32()


# The second controller of SD cards of Broadcom's BCM2835 (hw/sd/bcm2835_sdhost.c).


@device("bcm2835-sdhost")
@description("bcm2835-sdhost", version_id=1, minimum_version_id=1)
class Bcm2835Sdhost(VMState):
    """Registers, the card's answer, and the words on their way."""

    cmd: int = uint32()
    cmdarg: int = uint32()
    status: int = uint32()
    rsp: list[int] = array(uint32, 4, private=CONTENTS)
    config: int = uint32()
    edm: int = uint32()
    vdd: int = uint32()
    hbct: int = uint32()
    hblc: int = uint32()
    fifo_pos: int = int32()
    fifo_len: int = int32()
    fifo: list[int] = array(uint32, 16, private=CONTENTS)
    datacnt: int = uint32()


# The SPI controller of Broadcom's BCM2835 (hw/ssi/bcm2835_spi.c).


@device("bcm2835-spi")
@description("bcm2835-spi", version_id=1, minimum_version_id=1)
class Bcm2835Spi(VMState):
    """Bytes to be sent and received, and registers."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    cs: int = uint32()
    clk: int = uint32()
    dlen: int = uint32()
    ltoh: int = uint32()
    dc: int = uint32()


# The system timer of Broadcom's BCM2835 (hw/timer/bcm2835_systmr.c).


@device("bcm2835_sys_timer")
@description("bcm2835_sys_timer", version_id=1, minimum_version_id=1)
class Bcm2835SysTimer(VMState):
    """Status, and what is compared with."""

    reg_ctrl_status: int = uint32(name="reg.ctrl_status")
    reg_compare: list[int] = array(uint32, 4, name="reg.compare")


# The temperature sensor of Broadcom's BCM2835 (hw/misc/bcm2835_thermal.c).


@device("bcm2835_thermal")
@description("bcm2835_thermal", version_id=1, minimum_version_id=1)
class Bcm2835Thermal(VMState):
    """Its control register."""

    ctl: int = uint32()


# The interrupt controller and mailboxes of each core, of Broadcom's BCM2836 (hw/intc/bcm2836_control.c).


@device("bcm2836-control", noise={"timer": ("timer",)})
@description("bcm2836-control", version_id=2, minimum_version_id=1)
class Bcm2836Control(VMState):
    """Mailboxes, routes, and the local timer."""

    mailboxes: list[int] = array(uint32, 16, private=CONTENTS)
    route_gpu_irq: int = uint8()
    route_gpu_fiq: int = uint8()
    timercontrol: list[int] = array(uint32, 4)
    mailboxcontrol: list[int] = array(uint32, 4)
    timer_: int = timer(name="timer", version=2)
    local_timer_control: int = uint32(version=2)
    route_localtimer: int = uint8(version=2)


# The general-purpose lines of Broadcom's BCM2838 (hw/gpio/bcm2838_gpio.c).


@device("bcm2838_gpio")
@description("bcm2838_gpio", version_id=1, minimum_version_id=1)
class Bcm2838Gpio(VMState):
    """General-purpose lines of Broadcom's BCM2835 to BCM2838."""

    fsel: list[int] = array(uint8, 58)
    lev0: int = uint32()
    lev1: int = uint32()
    sd_fsel: int = uint8()
    pup_cntrl_reg: list[int] = array(uint32, 4)
