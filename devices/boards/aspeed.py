"""Devices of Aspeed's SoCs.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    host,
    int32,
    int64,
    part,
    timer,
    uint8,
    uint32,
    uint64,
    unused,
    variant,
)

# The analogue-to-digital converter of Aspeed's SoCs (hw/adc/aspeed_adc.c).


@device("aspeed.adc")
@description("aspeed.adc", version_id=1, minimum_version_id=1)
class AspeedAdc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 52)


# The general-purpose lines of Aspeed's SoCs (hw/gpio/aspeed_gpio.c).


@description("aspeed.gpio/regs", version_id=1, minimum_version_id=1)
class AspeedGpioRegs(VMState):
    """A set of lines: values, directions, interrupts."""

    data_value: int = uint32()
    data_read: int = uint32()
    direction: int = uint32()
    int_enable: int = uint32()
    int_sens_0: int = uint32()
    int_sens_1: int = uint32()
    int_sens_2: int = uint32()
    int_status: int = uint32()
    reset_tol: int = uint32()
    cmd_source_0: int = uint32()
    cmd_source_1: int = uint32()
    debounce_1: int = uint32()
    debounce_2: int = uint32()
    input_mask: int = uint32()


@device("aspeed.gpio")
@description("aspeed.gpio", version_id=1, minimum_version_id=1)
class AspeedGpio(VMState):
    """General-purpose lines of Aspeed's SoCs."""

    sets: list[AspeedGpioRegs] = array(AspeedGpioRegs, 8, version=1)
    debounce_regs: list[int] = array(uint32, 3)


# The hash and crypto engine of Aspeed's SoCs (hw/misc/aspeed_hace.c).


@device("aspeed.hace")
@description("aspeed.hace", version_id=2, minimum_version_id=2)
class AspeedHace(VMState):
    """Where a hash of several pieces stands; up to 10.0 the registers."""

    regs: list[int] | None = host()
    total_req_len: int = uint32()
    iov_count: int | None = host()


ASPEED_HACE_10_0 = variant(AspeedHace, None, 1, regs=array(uint32, 25), iov_count=uint32())
"""Up to 10.0 at least."""


# The I2C buses of Aspeed's SoCs. Facts from QEMU's hw/i2c/aspeed_i2c.c and include/hw/i2c/aspeed_i2c.h. How many
# registers a bus has grew from release to release, in 10.0 with a stable update as well; which of them it is the
# length tells.


@description("aspeed.i2c", version_id=8, minimum_version_id=8)
class AspeedI2CBus(VMState):
    """A bus: its registers, what its buffer holds, and where DMA stands in memory."""

    regs: list[int] | None = array(uint32, 40)
    pending_intr_sts: int | None = uint32()
    pool: list[int] | None = array(uint8, 64, private=CONTENTS)
    dma_dram_offset: int | None = uint64()
    id: int | None = host()
    ctrl: int | None = host()
    timing: list[int] | None = host()
    intr_ctrl: int | None = host()
    intr_status: int | None = host()
    cmd: int | None = host()
    buf: int | None = host()
    pool_ctrl: int | None = host()
    dma_addr: int | None = host()
    dma_len: int | None = host()


@device("aspeed.i2c")
@description("aspeed.i2c", version_id=4, minimum_version_id=4)
class AspeedI2C(VMState):
    """The buses, and the buffer that the older controllers share among them."""

    intr_status: int = uint32()
    busses: list[AspeedI2CBus] = array(AspeedI2CBus, 16, version=1)
    share_pool: list[int] = array(uint8, 2048, private=CONTENTS)


I2C_BUS_10_0_STABLE = variant(
    AspeedI2CBus, None, 6, regs=array(uint32, 32), pending_intr_sts=None, pool=array(uint8, 32, private=CONTENTS)
)
ASPEED_I2C_10_0_STABLE = variant(AspeedI2C, None, 3, busses=array(I2C_BUS_10_0_STABLE, 16, version=1))
"""Of 10.0 with its stable updates."""

I2C_BUS_10_2 = variant(
    AspeedI2CBus, None, 6, regs=array(uint32, 28), pending_intr_sts=None, pool=array(uint8, 32, private=CONTENTS)
)
ASPEED_I2C_10_2 = variant(AspeedI2C, None, 3, busses=array(I2C_BUS_10_2, 16, version=1))
"""From 9.2 to 10.2."""

BUS_7_2 = variant(AspeedI2CBus, None, 5, regs=array(uint32, 22), pending_intr_sts=None, pool=None, dma_dram_offset=None)
ASPEED_I2C_7_2 = variant(
    AspeedI2C,
    None,
    2,
    busses=array(BUS_7_2, 16, version=1),
    share_pool=array(uint8, 2048, name="pool", private=CONTENTS),
)
"""Of 7.2: the buses have no buffer of their own."""

BUS_5_2 = variant(
    AspeedI2CBus,
    None,
    3,
    regs=None,
    pending_intr_sts=None,
    pool=None,
    dma_dram_offset=None,
    id=uint8(),
    ctrl=uint32(),
    timing=array(uint32, 2),
    intr_ctrl=uint32(),
    intr_status=uint32(),
    cmd=uint32(),
    buf=uint32(),
    pool_ctrl=uint32(),
    dma_addr=uint32(),
    dma_len=uint32(),
)
ASPEED_I2C_5_2 = variant(
    AspeedI2C,
    None,
    2,
    busses=array(BUS_5_2, 16, version=1),
    share_pool=array(uint8, 2048, name="pool", private=CONTENTS),
)
"""Of 5.2: each register of a bus is a field."""


# The I3C buses of Aspeed's AST2600, and the controller of DesignWare that each is (hw/misc/aspeed_i3c.c, and from
# the streams of 11.1, where the controller is a device).


@device("dw.i3c")
@description("dw.i3c", version_id=1, minimum_version_id=1)
class DwI3c(VMState):
    """Registers of a controller."""

    regs: list[int] = array(uint32, 1024)


@device("aspeed.i3c")
@description("aspeed.i3c", version_id=1, minimum_version_id=1)
class AspeedI3c(VMState):
    """Registers that the buses share, and those of each bus."""

    regs: list[int] = array(uint32, 28)
    devices: list[DwI3c] = array(DwI3c, 6, version=1)


I3C_BUS_10_2 = variant(DwI3c, "aspeed.i3c", regs=array(uint32, 192))
ASPEED_I3C_10_2 = variant(AspeedI3c, devices=array(I3C_BUS_10_2, 6, version=1))
"""Up to 10.2: fewer registers of a bus, under the controller's name."""


# The LPC controller of Aspeed's SoCs, through which a BMC talks with its host (hw/misc/aspeed_lpc.c).


@device("aspeed.lpc")
@description("aspeed.lpc", version_id=2, minimum_version_id=2)
class AspeedLpc(VMState):
    """Registers, and which of its parts interrupt."""

    regs: list[int] = array(uint32, 152)
    subdevice_irqs_pending: int = uint32()


# The LVDS tunnel to another board of Aspeed's AST1700 and AST2700 (LTPI). Facts from the streams and the
# descriptions of QEMU 11.1.


@device("aspeed.ltpi-ctrl")
@description("aspeed.ltpi-ctrl", version_id=1, minimum_version_id=1)
class AspeedLtpiCtrl(VMState):
    """Registers of the controller, of its PHY and of the top."""

    ctrl_regs: list[int] = array(uint32, 128)
    phy_regs: list[int] = array(uint32, 64)
    top_regs: list[int] = array(uint32, 64)


# The fans of Aspeed's SoCs: pulse width modulation and tachometers. Facts from the streams and the descriptions of
# QEMU 11.1.


@device("aspeed.pwm")
@description("aspeed.pwm", version_id=1, minimum_version_id=1)
class AspeedPwm(VMState):
    """Registers of the fans."""

    regs: list[int] = array(uint32, 67)


# The real-time clock of Aspeed's SoCs (hw/rtc/aspeed_rtc.c).


@device("aspeed.rtc")
@description("aspeed.rtc", version_id=2)
class AspeedRtc(VMState):
    """Registers, and the time as an offset from the host's."""

    reg: list[int] = array(uint32, 24)
    offset: int = int64()
    offset_2: int | None = host()


ASPEED_RTC_7_2 = variant(AspeedRtc, None, 1, offset=int32(), offset_2=int32(name="offset"))
"""Up to 7.2 at least."""


# The secure boot controller of Aspeed's SoCs (hw/misc/aspeed_sbc.c).


@device("aspeed.sbc")
@description("aspeed.sbc", version_id=1, minimum_version_id=1)
class AspeedSbc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 591)


# The system control unit of Aspeed's SoCs: clocks, resets, pins (hw/misc/aspeed_scu.c).


@device("aspeed.scu")
@description("aspeed.scu", version_id=2, minimum_version_id=2)
class AspeedScu(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 904)


# What Aspeed's controller of SD cards has beside the usual two (hw/sd/aspeed_sdhci.c).


@device("aspeed.sdhci")
@description("aspeed.sdhci", version_id=1)
class AspeedSdhci(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 64)


# The memory controller of Aspeed's SoCs (hw/misc/aspeed_sdmc.c).


@device("aspeed.sdmc")
@description("aspeed.sdmc", version_id=2, minimum_version_id=2)
class AspeedSdmc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1024)


ASPEED_SDMC_7_2 = variant(AspeedSdmc, None, 1, regs=array(uint32, 320))
"""Up to 7.2 at least."""


# The controller of the flash memories of Aspeed's SoCs: FMC and SPI (hw/ssi/aspeed_smc.c).


@device("aspeed.smc")
@description("aspeed.smc", version_id=3, minimum_version_id=2)
class AspeedSMC(VMState):
    """Registers, and how a flash memory is being spoken to."""

    regs: list[int] = array(uint32, 64)
    snoop_index: int | None = host()
    snoop_dummies: int | None = host()
    unused_0: None = unused(2, name="unused")
    unselect: bool | None = boolean(version=3)


ASPEED_SMC_10_2 = variant(AspeedSMC, snoop_index=uint8(), snoop_dummies=uint8(), unused_0=None)
"""Up to 10.2: dummy cycles of a flash memory are counted."""

ASPEED_SMC_7_2 = variant(AspeedSMC, None, 2, snoop_index=uint8(), snoop_dummies=uint8(), unused_0=None, unselect=None)
"""Up to 7.2."""


# The eight timers of Aspeed's SoCs (hw/timer/aspeed_timer.c).


@part(noise={"timer": ("timer",)})
@description("aspeed.timer", version_id=2, minimum_version_id=2)
class AspeedTimer(VMState):
    """A timer: when it fires, what it is reloaded with and compared with."""

    id: int = uint8()
    level: int = int32()
    timer_: int = timer(name="timer")
    reload: int = uint32()
    match: list[int] = array(uint32, 2)


@device("aspeed.timerctrl")
@description("aspeed.timerctrl", version_id=2, minimum_version_id=2)
class AspeedTimerctrl(VMState):
    """Control, which interrupt, and the timers."""

    ctrl: int = uint32()
    ctrl2: int = uint32()
    ctrl3: int = uint32()
    irq_sts: int = uint32()
    timers: list[AspeedTimer] = array(AspeedTimer, 8, version=1)


# The interrupt controller of Aspeed's AST2400 and AST2500 (hw/intc/aspeed_vic.c).


@device("aspeed.new-vic")
@description("aspeed.new-vic", version_id=1, minimum_version_id=1)
class AspeedNewVic(VMState):
    """Lines, and how each is sensed, chosen and enabled."""

    level: int = uint64()
    raw: int = uint64()
    select: int = uint64()
    enable: int = uint64()
    trigger: int = uint64()
    sense: int = uint64()
    dual_edge: int = uint64()
    event: int = uint64()


# The DMA engine between Aspeed's SoCs and their host (hw/misc/aspeed_xdma.c).


@device("aspeed.xdma")
@description("aspeed.xdma", version_id=1)
class AspeedXdma(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 31)


# The watchdog of Aspeed's SoCs, which QEMU names after its description (hw/watchdog/wdt_aspeed.c).


@device("vmstate_aspeed_wdt", noise={"timer": ("timer",)})
@description("vmstate_aspeed_wdt")
class VmstateAspeedWdt(VMState):
    """The timer, and registers."""

    timer_: int = timer(name="timer")
    regs: list[int] = array(uint32, 32)


VMSTATE_ASPEED_WDT_7_2 = variant(VmstateAspeedWdt, regs=array(uint32, 8))
"""Up to 7.2 at least."""
