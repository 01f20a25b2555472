"""Devices of Intel's PXA2xx.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    buffer,
    description,
    device,
    fact,
    int32,
    int64,
    part,
    struct,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
    varray,
    version_id,
)
from vmstate.devices.i2c.core import I2CSlave

# Intel's PXA2xx: clocks, power, memory, clock of the day, SSP, I2C and I2S (hw/arm/pxa2xx.c).


@device("pxa2xx-ssp")
@description("pxa2xx-ssp", version_id=1, minimum_version_id=1)
class Pxa2xxSsp(VMState):
    """A synchronous serial port: registers, and the words received."""

    enable: int = uint32()
    sscr: list[int] = array(uint32, 2)
    sspsp: int = uint32()
    ssto: int = uint32()
    ssitr: int = uint32()
    sssr: int = uint32()
    sstsa: int = uint8()
    ssrsa: int = uint8()
    ssacd: int = uint8()
    rx_level: int = uint32()
    rx_start: int = uint32()
    rx_fifo: list[int] = array(uint32, 16, private=CONTENTS)


@device("pxa2xx_cm", listed=False)
@description("pxa2xx_cm")
class Pxa2xxCm(VMState):
    """Clocks: registers of the manager and of the coprocessor."""

    cm_regs: list[int] = array(uint32, 4)
    clkcfg: int = uint32()
    pmnc: int = uint32()


@description("pxa2xx_i2c_slave", version_id=1, minimum_version_id=1)
class Pxa2xxI2cSlave(VMState):
    """The controller as somebody else's device."""

    parent_obj: I2CSlave = struct(I2CSlave)


@device("pxa2xx_i2c")
@description("pxa2xx_i2c", version_id=1, minimum_version_id=1)
class Pxa2xxI2c(VMState):
    """The I2C controller."""

    control: int = uint16()
    status: int = uint16()
    ibmr: int = uint8()
    data: int = uint8()
    slave: Pxa2xxI2cSlave = struct(Pxa2xxI2cSlave)


@device("pxa2xx_i2s", listed=False)
@description("pxa2xx_i2s")
class Pxa2xxI2s(VMState):
    """The I2S controller."""

    control: list[int] = array(uint32, 2)
    status: int = uint32()
    mask: int = uint32()
    clk: int = uint32()
    enable: int = int32()
    rx_len: int = int32()
    tx_len: int = int32()
    fifo_len: int = int32()


@device("pxa2xx_mm", listed=False)
@description("pxa2xx_mm")
class Pxa2xxMm(VMState):
    """Registers of the memory controller."""

    mm_regs: list[int] = array(uint32, 26)


@device("pxa2xx_pm", listed=False)
@description("pxa2xx_pm")
class Pxa2xxPm(VMState):
    """Registers of the power manager."""

    pm_regs: list[int] = array(uint32, 64)


@device(
    "pxa2xx_rtc",
    noise={
        "timer": (
            "last_rcnr",
            "last_rdcr",
            "last_rycr",
            "last_swcr",
            "last_rtcpicr",
            "last_hz",
            "last_sw",
            "last_pi",
        )
    },
)
@description("pxa2xx_rtc")
class Pxa2xxRtc(VMState):
    """The real-time clock, its stopwatch and its periodic interrupt."""

    rttr: int = uint32()
    rtsr: int = uint32()
    rtar: int = uint32()
    rdar1: int = uint32()
    rdar2: int = uint32()
    ryar1: int = uint32()
    ryar2: int = uint32()
    swar1: int = uint32()
    swar2: int = uint32()
    piar: int = uint32()
    last_rcnr: int = uint32()
    last_rdcr: int = uint32()
    last_rycr: int = uint32()
    last_swcr: int = uint32()
    last_rtcpicr: int = uint32()
    last_hz: int = int64()
    last_sw: int = int64()
    last_pi: int = int64()


# The DMA controller of Intel's PXA2xx (hw/dma/pxa2xx_dma.c).

CHANNELS = 32
"""Elements that each board has."""


@description("pxa2xx_dma_chan", version_id=1, minimum_version_id=1)
class Pxa2xxDmaChan(VMState):
    """A channel: where it reads and writes, and its command."""

    descr: int = uint32()
    src: int = uint32()
    dest: int = uint32()
    cmd: int = uint32()
    state: int = uint32()
    request: int = int32()


@device("pxa2xx_dma")
@description("pxa2xx_dma", version_id=1)
class Pxa2xxDma(VMState):
    """Interrupts, requests, and the channels."""

    unused_0: None | None = unused(4, exists=(version_id == 0))
    stopintr: int = uint32()
    eorintr: int = uint32()
    rasintr: int = uint32()
    startintr: int = uint32()
    endintr: int = uint32()
    align: int = uint32()
    pio: int = uint32()
    req: bytes = buffer(75)
    chan: list[Pxa2xxDmaChan] = varray(Pxa2xxDmaChan, count=CHANNELS)


# The infrared port of Intel's PXA2xx (hw/arm/pxa2xx.c as it was up to 9.1).


@device("pxa2xx-fir")
@description("pxa2xx-fir", version_id=1, minimum_version_id=1)
class PXA2xxFIr(VMState):
    """Registers, and the bytes received."""

    enable: int = uint32()
    control: list[int] = array(uint8, 3)
    status: list[int] = array(uint8, 2)
    rx_len: int = uint32()
    rx_start: int = uint32()
    rx_fifo: list[int] = array(uint8, 64, private=CONTENTS)


# The general-purpose lines of Intel's PXA2xx (hw/arm/pxa2xx_gpio.c).


@device("pxa2xx-gpio")
@description("pxa2xx-gpio", version_id=1, minimum_version_id=1)
class Pxa2xxGpio(VMState):
    """Levels, directions, edges, and alternate functions."""

    ilevel: list[int] = array(uint32, 4)
    olevel: list[int] = array(uint32, 4)
    dir: list[int] = array(uint32, 4)
    rising: list[int] = array(uint32, 4)
    falling: list[int] = array(uint32, 4)
    status: list[int] = array(uint32, 4)
    gafr: list[int] = array(uint32, 8)
    prev_level: list[int] = array(uint32, 4)


# The keypad controller of Intel's PXA27x (hw/input/pxa2xx_keypad.c).


@device("pxa2xx_keypad", listed=False)
@description("pxa2xx_keypad")
class Pxa2xxKeypad(VMState):
    """Registers."""

    kpc: int = uint32()
    kpdk: int = uint32()
    kprec: int = uint32()
    kpmk: int = uint32()
    kpas: int = uint32()
    kpasmkp: list[int] = array(uint32, 4)
    kpkdi: int = uint32()


# The display controller of Intel's PXA2xx (hw/display/pxa2xx_lcd.c).


@description("dma_channel")
class DmaChannel(VMState):
    """A channel that fetches the picture."""

    branch: int = uint32()
    up_: int = uint8(name="up")
    pbuffer: bytes = buffer(1024)
    descriptor: int = uint32()
    source: int = uint32()
    id: int = uint32()
    command: int = uint32()


@device("pxa2xx_lcdc", listed=False)
@description("pxa2xx_lcdc")
class Pxa2xxLcdc(VMState):
    """Registers, and the channels."""

    irqlevel: int = int32()
    transp: int = int32()
    control: list[int] = array(uint32, 6)
    status: list[int] = array(uint32, 2)
    ovl1c: list[int] = array(uint32, 2)
    ovl2c: list[int] = array(uint32, 2)
    ccr: int = uint32()
    cmdcr: int = uint32()
    trgbr: int = uint32()
    tcr: int = uint32()
    liidr: int = uint32()
    bscntr: int = uint8()
    dma_ch: list[DmaChannel] = array(DmaChannel, 7)


# The controller of SD cards of Intel's PXA2xx (hw/sd/pxa2xx_mmci.c).


@device("pxa2xx-mmci")
@description("pxa2xx-mmci", version_id=2, minimum_version_id=2)
class Pxa2xxMmci(VMState):
    """Registers, the card's answer, and the bytes on their way."""

    status: int = uint32()
    clkrt: int = uint32()
    spi: int = uint32()
    cmdat: int = uint32()
    resp_tout: int = uint32()
    read_tout: int = uint32()
    blklen: int = int32()
    numblk: int = int32()
    intmask: int = uint32()
    intreq: int = uint32()
    cmd: int = int32()
    arg: int = uint32()
    cmdreq: int = int32()
    active: int = int32()
    bytesleft: int = int32()
    tx_start: int = uint32()
    tx_len: int = uint32()
    rx_start: int = uint32()
    rx_len: int = uint32()
    resp_len: int = uint32()
    tx_fifo: list[int] = array(uint8, 64)
    rx_fifo: list[int] = array(uint8, 32)
    resp_fifo: list[int] = array(uint16, 9, private=CONTENTS)


# The interrupt controller of Intel's PXA2xx (hw/arm/pxa2xx_pic.c).


@device("pxa2xx_pic")
@description("pxa2xx_pic")
class Pxa2xxPic(VMState):
    """What is pending and enabled, what goes to the fast interrupt, and priorities."""

    int_enabled: list[int] = array(uint32, 2)
    int_pending: list[int] = array(uint32, 2)
    is_fiq: list[int] = array(uint32, 2)
    int_idle: int = uint32()
    priority: list[int] = array(uint32, 40)


# The timers of Intel's PXA2xx and StrongARM (hw/timer/pxa2xx_timer.c).

TM4 = fact("pxa2xx_timer_tm4", (False, True))
"""Whether there are eight more timers: a PXA27x has them, a PXA25x and a StrongARM do not."""


@description("pxa2xx_timer0", version_id=2, minimum_version_id=2)
class Timer0(VMState):
    """When a timer matches."""

    value: int = uint32()


@part(noise={"timer": ("lastload",)})
@description("pxa2xx_timer4", version_id=1, minimum_version_id=1)
class Timer4(VMState):
    """A timer with a clock of its own."""

    tm: Timer0 = struct(Timer0, version=1)
    oldclock: int = int32()
    clock: int = int32()
    lastload: int = uint64()
    freq: int = uint32()
    control: int = uint32()


@device("pxa2xx_timer", noise={"timer": ("lastload",)})
@description("pxa2xx_timer", version_id=1, minimum_version_id=1)
class PXA2xxTimer(VMState):
    """The clock, the timers and their interrupts."""

    clock: int = int32()
    oldclock: int = int32()
    lastload: int = uint64()
    timers: list[Timer0] = array(Timer0, 4, name="timer", version=1)
    events: int = uint32()
    irq_enabled: int = uint32()
    reset3: int = uint32()
    snapshot: int = uint32()
    tm4: list[Timer4] | None = array(Timer4, 8, exists=TM4)
