"""Devices of ST's STM32.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    array_of_pointer,
    boolean,
    description,
    device,
    int64,
    struct,
    uint16,
    uint32,
)
from vmstate.devices.core.clock import Clock

# The clock controller of ST's STM32, in a simple form (hw/misc/stm32_rcc.c).


@device("stm32.rcc")
@description("stm32.rcc", version_id=1, minimum_version_id=1)
class Stm32Rcc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 38)


# The analogue-to-digital converter of ST's STM32F2 (hw/adc/stm32f2xx_adc.c).


@device("stm32f2xx-adc")
@description("stm32f2xx-adc", version_id=1, minimum_version_id=1)
class Stm32f2xxAdc(VMState):
    """Registers."""

    adc_sr: int = uint32()
    adc_cr1: int = uint32()
    adc_cr2: int = uint32()
    adc_smpr1: int = uint32()
    adc_smpr2: int = uint32()
    adc_jofr: list[int] = array(uint32, 4)
    adc_htr: int = uint32()
    adc_ltr: int = uint32()
    adc_sqr1: int = uint32()
    adc_sqr2: int = uint32()
    adc_sqr3: int = uint32()
    adc_jsqr: int = uint32()
    adc_jdr: list[int] = array(uint32, 4)
    adc_dr: int = uint32()


# The SPI controller of ST's STM32F2 (hw/ssi/stm32f2xx_spi.c).


@device("stm32f2xx-spi")
@description("stm32f2xx-spi", version_id=1, minimum_version_id=1)
class Stm32f2xxSpi(VMState):
    """Registers."""

    spi_cr1: int = uint32()
    spi_cr2: int = uint32()
    spi_sr: int = uint32()
    spi_dr: int = uint32()
    spi_crcpr: int = uint32()
    spi_rxcrcr: int = uint32()
    spi_txcrcr: int = uint32()
    spi_i2scfgr: int = uint32()
    spi_i2spr: int = uint32()


# A timer of ST's STM32F2 (hw/timer/stm32f2xx_timer.c).


@device("stm32f2xx-timer", noise={"timer": ("tick_offset",)})
@description("stm32f2xx-timer", version_id=1, minimum_version_id=1)
class Stm32f2xxTimer(VMState):
    """Registers, and the count as an offset from the time."""

    tick_offset: int = int64()
    tim_cr1: int = uint32()
    tim_cr2: int = uint32()
    tim_smcr: int = uint32()
    tim_dier: int = uint32()
    tim_sr: int = uint32()
    tim_egr: int = uint32()
    tim_ccmr1: int = uint32()
    tim_ccmr2: int = uint32()
    tim_ccer: int = uint32()
    tim_psc: int = uint32()
    tim_arr: int = uint32()
    tim_ccr1: int = uint32()
    tim_ccr2: int = uint32()
    tim_ccr3: int = uint32()
    tim_ccr4: int = uint32()
    tim_dcr: int = uint32()
    tim_dmar: int = uint32()
    tim_or: int = uint32()


# The external interrupts of ST's STM32F4 (hw/misc/stm32f4xx_exti.c).


@device("stm32f4xx-exti")
@description("stm32f4xx-exti", version_id=1, minimum_version_id=1)
class Stm32f4xxExti(VMState):
    """Registers."""

    exti_imr: int = uint32()
    exti_emr: int = uint32()
    exti_rtsr: int = uint32()
    exti_ftsr: int = uint32()
    exti_swier: int = uint32()
    exti_pr: int = uint32()


# The system configuration of ST's STM32F4 (hw/misc/stm32f4xx_syscfg.c).


@device("stm32f4xx-syscfg")
@description("stm32f4xx-syscfg", version_id=1, minimum_version_id=1)
class Stm32f4xxSyscfg(VMState):
    """Registers."""

    syscfg_memrmp: int = uint32()
    syscfg_pmc: int = uint32()
    syscfg_exticr: list[int] = array(uint32, 4)
    syscfg_cmpcr: int = uint32()


# The external interrupts of ST's STM32L4 (hw/misc/stm32l4x5_exti.c).


@device("stm32l4x5-exti")
@description("stm32l4x5-exti", version_id=2, minimum_version_id=2)
class Stm32l4x5Exti(VMState):
    """Registers, and the lines."""

    imr: list[int] = array(uint32, 2)
    emr: list[int] = array(uint32, 2)
    rtsr: list[int] = array(uint32, 2)
    ftsr: list[int] = array(uint32, 2)
    swier: list[int] = array(uint32, 2)
    pr: list[int] = array(uint32, 2)
    irq_levels: list[int] = array(uint32, 2)


# General-purpose lines of ST's STM32L4 (hw/gpio/stm32l4x5_gpio.c).


@device("stm32l4x5-gpio")
@description("stm32l4x5-gpio", version_id=2, minimum_version_id=2)
class Stm32l4x5Gpio(VMState):
    """General-purpose lines of ST's STM32."""

    moder: int = uint32()
    otyper: int = uint32()
    ospeedr: int = uint32()
    pupdr: int = uint32()
    idr: int = uint32()
    odr: int = uint32()
    lckr: int = uint32()
    afrl: int = uint32()
    afrh: int = uint32()
    ascr: int = uint32()
    disconnected_pins: int = uint16()
    pins_connected_high: int = uint16()
    clk: Clock = struct(Clock)


# The clock controller of ST's STM32L4 (hw/misc/stm32l4x5_rcc.c).


@device("stm32l4x5-rcc")
@description("stm32l4x5-rcc", version_id=1, minimum_version_id=1)
class Stm32l4x5Rcc(VMState):
    """Registers, and the clocks that come in."""

    cr: int = uint32()
    icscr: int = uint32()
    cfgr: int = uint32()
    pllcfgr: int = uint32()
    pllsai1cfgr: int = uint32()
    pllsai2cfgr: int = uint32()
    cier: int = uint32()
    cifr: int = uint32()
    ahb1rstr: int = uint32()
    ahb2rstr: int = uint32()
    ahb3rstr: int = uint32()
    apb1rstr1: int = uint32()
    apb1rstr2: int = uint32()
    apb2rstr: int = uint32()
    ahb1enr: int = uint32()
    ahb2enr: int = uint32()
    ahb3enr: int = uint32()
    apb1enr1: int = uint32()
    apb1enr2: int = uint32()
    apb2enr: int = uint32()
    ahb1smenr: int = uint32()
    ahb2smenr: int = uint32()
    ahb3smenr: int = uint32()
    apb1smenr1: int = uint32()
    apb1smenr2: int = uint32()
    apb2smenr: int = uint32()
    ccipr: int = uint32()
    bdcr: int = uint32()
    csr: int = uint32()
    hsi16_rc: Clock = struct(Clock)
    msi_rc: Clock = struct(Clock)
    hse: Clock = struct(Clock)
    lsi_rc: Clock = struct(Clock)
    lse_crystal: Clock = struct(Clock)
    sai1_extclk: Clock = struct(Clock)
    sai2_extclk: Clock = struct(Clock)


@device("stm32l4x5-rcc-clock-mux")
@description("stm32l4x5-rcc-clock-mux", version_id=1, minimum_version_id=1)
class Stm32l4x5RccClockMux(VMState):
    """A multiplexer: its sources, the one chosen, and what its frequency is multiplied and divided by."""

    id: int = uint32()
    srcs: list[Clock | None] = array_of_pointer(Clock, 7)
    enabled: bool = boolean()
    src: int = uint32()
    multiplier: int = uint32()
    divider: int = uint32()


@device("stm32l4x5-rcc-pll")
@description("stm32l4x5-rcc-pll", version_id=1, minimum_version_id=1)
class Stm32l4x5RccPll(VMState):
    """A phase-locked loop and its three channels."""

    id: int = uint32()
    in_: Clock = struct(Clock, name="in")
    channels: list[Clock | None] = array_of_pointer(Clock, 3)
    enabled: bool = boolean()
    vco_multiplier: int = uint32()
    channel_enabled: list[bool] = array(boolean, 3)
    channel_exists: list[bool] = array(boolean, 3)
    channel_divider: list[int] = array(uint32, 3)


# The system configuration of ST's STM32L4 (hw/misc/stm32l4x5_syscfg.c).


@device("stm32l4x5-syscfg")
@description("stm32l4x5-syscfg", version_id=2, minimum_version_id=2)
class Stm32l4x5Syscfg(VMState):
    """Registers, and the clock."""

    memrmp: int = uint32()
    cfgr1: int = uint32()
    exticr: list[int] = array(uint32, 4)
    scsr: int = uint32()
    cfgr2: int = uint32()
    swpr: int = uint32()
    skr: int = uint32()
    swpr2: int = uint32()
    clk: Clock = struct(Clock)


# A serial port of ST's STM32L4 (hw/char/stm32l4x5_usart.c).


@device("stm32l4x5-usart-base")
@description("stm32l4x5-usart-base", version_id=1, minimum_version_id=1)
class Stm32l4x5UsartBase(VMState):
    """Registers, a byte each way, and the clock."""

    cr1: int = uint32()
    cr2: int = uint32()
    cr3: int = uint32()
    brr: int = uint32()
    gtpr: int = uint32()
    rtor: int = uint32()
    isr: int = uint32()
    rdr: int = uint32(private=CONTENTS)
    tdr: int = uint32(private=CONTENTS)
    clk: Clock = struct(Clock)
