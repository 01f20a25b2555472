"""Devices of Nuvoton's SoCs NPCM7xx and NPCM8xx.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    array_of_pointer,
    boolean,
    description,
    device,
    int32,
    int64,
    part,
    secret,
    struct,
    timer,
    uint8,
    uint16,
    uint32,
    variant,
)
from vmstate.devices.core.clock import Clock

# The analogue-to-digital converter of Nuvoton's NPCM7xx (hw/adc/npcm7xx_adc.c).


@device("npcm7xx-adc", noise={"timer": ("conv_timer",)})
@description("npcm7xx-adc")
class Npcm7xxAdc(VMState):
    """The conversion under way, registers, inputs and references in mV."""

    conv_timer: int = timer()
    con: int = uint32()
    data: int = uint32()
    clock: Clock = struct(Clock)
    adci: list[int] = array(uint32, 8)
    vref: int = uint32()
    iref: int = uint32()
    calibration_r_values: list[int] = array(uint16, 2)


# The clock controller of Nuvoton's NPCM7xx, up to 9.2 (hw/misc/npcm7xx_clk.c).


@device("npcm7xx-clk")
@description("npcm7xx-clk", version_id=1, minimum_version_id=1)
class Npcm7xxClk(VMState):
    """Registers, the time of the last reset in ns, and the clock it has."""

    regs: list[int] = array(uint32, 28)
    ref_ns: int = int64()
    clkref: Clock | None = struct(Clock)


NPCM7XX_CLK_5_2 = variant(Npcm7xxClk, None, 0, clkref=None)
"""Of 5.2."""


# The 100-megabit network card of Nuvoton's NPCM7xx (hw/net/npcm7xx_emc.c).

EMC_ADDRESSES = secret("contents", 2, 32)
"""The registers CAMM0 to CAML15: MAC addresses."""


@device("npcm7xx-emc")
@description("npcm7xx-emc")
class Npcm7xxEmc(VMState):
    """Registers, and whether it sends and receives."""

    emc_num: int = uint8()
    regs: list[int] = array(uint32, 55, private=EMC_ADDRESSES)
    tx_active: bool = boolean()
    rx_active: bool = boolean()


# The flash interface unit of Nuvoton's NPCM7xx and NPCM8xx (hw/ssi/npcm7xx_fiu.c).


@device("npcm7xx-fiu")
@description("npcm7xx-fiu")
class Npcm7xxFiu(VMState):
    """Which flash memory is selected, and registers."""

    active_cs: int = int32()
    regs: list[int] = array(uint32, 31)


# The system registers of Nuvoton's NPCM7xx, up to 9.2 (hw/misc/npcm7xx_gcr.c).


@device("npcm7xx-gcr")
@description("npcm7xx-gcr")
class Npcm7xxGcr(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 82)


# The general-purpose lines of Nuvoton's NPCM7xx and NPCM8xx (hw/gpio/npcm7xx_gpio.c).


@device("npcm7xx-gpio")
@description("npcm7xx-gpio")
class Npcm7xxGpio(VMState):
    """General-purpose lines of Nuvoton's NPCM7xx and NPCM8xx."""

    pin_level: int = uint32()
    ext_level: int = uint32()
    ext_driven: int = uint32()
    regs: list[int] = array(uint32, 32)


# The tachometers of Nuvoton's NPCM7xx (multi-function timers) (hw/misc/npcm7xx_mft.c).


@device("npcm7xx-mft-module")
@description("npcm7xx-mft-module")
class Npcm7xxMftModule(VMState):
    """Clocks, registers, and how fast the fans turn."""

    clock_in: Clock = struct(Clock)
    clock_1: Clock = struct(Clock)
    clock_2: Clock = struct(Clock)
    regs: list[int] = array(uint16, 16)
    max_rpm: list[int] = array(uint32, 4)
    duty: list[int] = array(uint32, 4)


# The words that are written once, of Nuvoton's NPCM7xx (hw/nvram/npcm7xx_otp.c).


@device("npcm7xx-otp")
@description("npcm7xx-otp")
class Npcm7xxOtp(VMState):
    """Non-volatile memory of Nuvoton's NPCM7xx and NPCM8xx."""

    regs: list[int] = array(uint32, 6)
    array_: list[int] = array(uint8, 1024, name="array")


# The pulse width modulators of Nuvoton's NPCM7xx (hw/misc/npcm7xx_pwm.c).


@description("npcm7xx-pwm")
class Npcm7xxPwm(VMState):
    """A modulator: whether it runs, its registers, frequency and duty."""

    running: bool = boolean()
    inverted: bool = boolean()
    index: int = uint8()
    cnr: int = uint32()
    cmr: int = uint32()
    pdr: int = uint32()
    pwdr: int = uint32()
    freq: int = uint32()
    duty: int = uint32()


@device("npcm7xx-pwm-module")
@description("npcm7xx-pwm-module")
class Npcm7xxPwmModule(VMState):
    """The clock, the modulators, and registers."""

    clock: Clock = struct(Clock)
    pwm: list[Npcm7xxPwm] = array(Npcm7xxPwm, 4)
    ppr: int = uint32()
    csr: int = uint32()
    pcr: int = uint32()
    pier: int = uint32()
    piir: int = uint32()


# The random numbers of Nuvoton's NPCM7xx (hw/misc/npcm7xx_rng.c).


@device("npcm7xx-rng")
@description("npcm7xx-rng")
class Npcm7xxRng(VMState):
    """Registers."""

    rngcs: int = uint8()
    rngd: int = uint8()
    rngmode: int = uint8()


# What Nuvoton's controller of SD cards has beside the usual one (hw/sd/npcm7xx_sdhci.c).


@device("npcm7xx.sdhci")
@description("npcm7xx.sdhci")
class Npcm7xxSdhci(VMState):
    """The register that lets a guest boot from it."""

    regs_boottoctrl: int = uint32(name="regs.boottoctrl")


# The SMBus controller of Nuvoton's NPCM7xx (hw/i2c/npcm7xx_smbus.c).


@device("npcm7xx-smbus")
@description("npcm7xx-smbus")
class Npcm7xxSmbus(VMState):
    """Registers, and the bytes received."""

    sda: int = uint8()
    st: int = uint8()
    cst: int = uint8()
    cst2: int = uint8()
    cst3: int = uint8()
    ctl1: int = uint8()
    ctl2: int = uint8()
    ctl3: int = uint8()
    ctl4: int = uint8()
    ctl5: int = uint8()
    addr: list[int] = array(uint8, 10)
    scllt: int = uint8()
    sclht: int = uint8()
    fif_ctl: int = uint8()
    fif_cts: int = uint8()
    fair_per: int = uint8()
    txf_ctl: int = uint8()
    t_out: int = uint8()
    txf_sts: int = uint8()
    rxf_sts: int = uint8()
    rxf_ctl: int = uint8()
    rx_fifo: list[int] = array(uint8, 16)
    rx_cur: int = uint8()


# The timers and the watchdog of Nuvoton's NPCM7xx (hw/timer/npcm7xx_timer.c).


@part(
    noise={
        "timer": (
            "qtimer",
            "expires_ns",
            "remaining_ns",
        )
    }
)
@description("npcm7xx-base-timer")
class Npcm7xxBaseTimer(VMState):
    """What timers and watchdog have: when it fires, and what is left, in ns."""

    qtimer: int = timer()
    expires_ns: int = int64()
    remaining_ns: int = int64()


@description("npcm7xx-timer", version_id=1, minimum_version_id=1)
class Npcm7xxTimer(VMState):
    """A timer."""

    base_timer: Npcm7xxBaseTimer = struct(Npcm7xxBaseTimer)
    tcsr: int = uint32()
    ticr: int = uint32()


@description("npcm7xx-watchdog-timer")
class Npcm7xxWatchdogTimer(VMState):
    """The watchdog."""

    base_timer: Npcm7xxBaseTimer = struct(Npcm7xxBaseTimer)
    wtcr: int = uint32()


@device("npcm7xx-timer-ctrl")
@description("npcm7xx-timer-ctrl", version_id=2, minimum_version_id=2)
class Npcm7xxTimerCtrl(VMState):
    """The clock, the timers, the watchdog, and which interrupt."""

    tisr: int = uint32()
    clock: Clock | None = struct(Clock)
    timer_: list[Npcm7xxTimer] = array(Npcm7xxTimer, 5, name="timer")
    watchdog_timer: Npcm7xxWatchdogTimer = struct(Npcm7xxWatchdogTimer)


NPCM7XX_TIMER_CTRL_5_2 = variant(Npcm7xxTimerCtrl, None, 1, clock=None)
"""Of 5.2."""


# The clock controller of Nuvoton's NPCM7xx and NPCM8xx (hw/misc/npcm_clk.c).


@device("npcm-clk")
@description("npcm-clk", version_id=3, minimum_version_id=3)
class NpcmClk(VMState):
    """Registers, the time of the last reset in ns, and the clock it has."""

    regs: list[int] = array(uint32, 49)
    ref_ns: int = int64()
    clkref: Clock = struct(Clock)


@device("npcm7xx-clock-divider")
@description("npcm7xx-clock-divider")
class Npcm7xxClockDivider(VMState):
    """A divider: its source."""

    clock_in: Clock = struct(Clock)


@device("npcm7xx-clock-pll")
@description("npcm7xx-clock-pll")
class Npcm7xxClockPll(VMState):
    """A phase-locked loop: its source."""

    clock_in: Clock = struct(Clock)


@device("npcm7xx-clock-sel")
@description("npcm7xx-clock-sel")
class Npcm7xxClockSel(VMState):
    """A selector: the five clocks that it chooses from."""

    clock_in: list[Clock | None] = array_of_pointer(Clock, 5)


# The system registers of Nuvoton's NPCM7xx and NPCM8xx (hw/misc/npcm_gcr.c).


@device("npcm-gcr")
@description("npcm-gcr", version_id=2, minimum_version_id=2)
class NpcmGcr(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 992)


# The gigabit network card of Nuvoton's NPCM7xx and NPCM8xx (hw/net/npcm_gmac.c).

GMAC_ADDRESSES = secret("contents", 16, 8)
"""The registers MAC0_ADDR_HI to MAC3_ADDR_LO."""


@device("npcm-gmac")
@description("npcm-gmac")
class NpcmGmac(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1048, private=GMAC_ADDRESSES)


# The sublayer between card and PHY of Nuvoton's NPCM8xx (PCS) (hw/net/npcm_pcs.c).


@device("npcm-pcs")
@description("npcm-pcs")
class NpcmPcs(VMState):
    """Registers, behind a base address."""

    indirect_access_base: int = uint16()
    sr_ctl: list[int] = array(uint16, 9)
    sr_mii: list[int] = array(uint16, 16)
    sr_tim: list[int] = array(uint16, 17)
    vr_mii: list[int] = array(uint16, 227)


# The SPI controller of Nuvoton's NPCM7xx (PSPI) (hw/ssi/npcm_pspi.c).


@device("npcm-pspi")
@description("npcm-pspi")
class NpcmPspi(VMState):
    """Registers."""

    regs: list[int] = array(uint16, 3)
