"""Devices of NXP's i.MX.

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
    int16,
    int32,
    int64,
    secret,
    struct,
    subsection,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
)
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.core.ptimer import Ptimer

# The CAN controller FlexCAN of NXP's i.MX. Facts from the streams and the descriptions of QEMU 11.1.


@device("flexcan", noise={"timer": ("timer_start",)})
@description("flexcan", version_id=1, minimum_version_id=1)
class FlexCan(VMState):
    """When its timer began, the registers with the mailboxes, and the mailboxes that are locked or received into."""

    timer_start: int = int64()
    regs: list[int] = array(uint32, 1024, name="regs_raw", private=CONTENTS)
    locked_mbidx: int = int32()
    smb_target_mbidx: int = int32()


# The PHY of PCI Express in NXP's i.MX 8M (hw/pci-host/fsl_imx8m_phy.c).


@device("fsl-imx8m-pcie-phy")
@description("fsl-imx8m-pcie-phy", version_id=1, minimum_version_id=1)
class FslImx8mPciePhy(VMState):
    """Registers, byte by byte."""

    data: list[int] = array(uint8, 2048)


# The clock controller of NXP's i.MX 25 (hw/misc/imx25_ccm.c).


@device("imx25.ccm")
@description("imx25.ccm", version_id=1, minimum_version_id=1)
class Imx25Ccm(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 28)


# The clock controller of NXP's i.MX 31 (hw/misc/imx31_ccm.c).


@device("imx31.ccm")
@description("imx31.ccm", version_id=2, minimum_version_id=2)
class Imx31Ccm(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 26)


# The clock controller of NXP's i.MX 6 (hw/misc/imx6_ccm.c).


@device("imx6.ccm")
@description("imx6.ccm", version_id=1, minimum_version_id=1)
class Imx6Ccm(VMState):
    """Registers of the controller, and of the analogue part."""

    ccm: list[int] = array(uint32, 35)
    analog: list[int] = array(uint32, 153)


# The reset controller of NXP's i.MX 6 (hw/misc/imx6_src.c).


@device("imx6.src")
@description("imx6.src", version_id=1, minimum_version_id=1)
class Imx6Src(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 18)


# The clock controller of NXP's i.MX 6UL (hw/misc/imx6ul_ccm.c).


@device("imx6ul.ccm")
@description("imx6ul.ccm", version_id=1, minimum_version_id=1)
class Imx6ulCcm(VMState):
    """Registers of the controller, and of the analogue part."""

    ccm: list[int] = array(uint32, 35)
    analog: list[int] = array(uint32, 4096)


# The display controller of NXP's i.MX 6UL. Facts from the streams and the descriptions of QEMU 11.1.


@device("imx6ul-lcdif", noise={"timer": ("frame_timer",)})
@description("imx6ul-lcdif", version_id=1, minimum_version_id=1)
class IMX6ULLcdif(VMState):
    """Registers, and when the next frame is drawn."""

    regs: list[int] = array(uint32, 36)
    frame_timer: int = timer()


# The clock controller of NXP's i.MX 7 (hw/misc/imx7_ccm.c).


@device("imx7.analog")
@description("imx7.analog", version_id=1, minimum_version_id=1)
class Imx7Analog(VMState):
    """Registers of the analogue part and of its power management."""

    analog: list[int] = array(uint32, 513)
    pmu: list[int] = array(uint32, 80)


@device("imx7.ccm")
@description("imx7.ccm", version_id=1, minimum_version_id=1)
class Imx7Ccm(VMState):
    """Registers."""

    ccm: list[int] = array(uint32, 12161)


# The secure non-volatile storage of NXP's i.MX 7: its real-time clock (hw/misc/imx7_snvs.c).


@device("imx7.snvs")
@description("imx7.snvs", version_id=1, minimum_version_id=1)
class Imx7Snvs(VMState):
    """The time as an offset from the host's, and control."""

    tick_offset: int = uint64()
    lpcr: int = uint64()


# The reset controller of NXP's i.MX 7 (hw/misc/imx7_src.c).


@device("imx7.src")
@description("imx7.src", version_id=1, minimum_version_id=1)
class Imx7Src(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 39)


# The analogue part of the clock controller of NXP's i.MX 8M (hw/misc/imx8mp_analog.c).


@device("imx8mp.analog")
@description("imx8mp.analog", version_id=1, minimum_version_id=1)
class Imx8mpAnalog(VMState):
    """Registers."""

    analog: list[int] = array(uint32, 513)


# The clock controller of NXP's i.MX 8M (hw/misc/imx8mp_ccm.c).


@device("imx8mp.ccm")
@description("imx8mp.ccm", version_id=1, minimum_version_id=1)
class Imx8mpCcm(VMState):
    """Registers."""

    ccm: list[int] = array(uint32, 12736)


# The interrupt controller of NXP's i.MX 25 and i.MX 31 (hw/intc/imx_avic.c).


@device("imx.avic")
@description("imx.avic", version_id=1, minimum_version_id=1)
class ImxAvic(VMState):
    """What is pending and enabled, what goes to the fast interrupt, and priorities."""

    pending: int = uint64()
    enabled: int = uint64()
    is_fiq: int = uint64()
    intcntl: int = uint32()
    intmask: int = uint32()
    prio: list[int] = array(uint32, 8)


# A periodic timer of NXP's i.MX (EPIT) (hw/timer/imx_epit.c).


@device("imx.epit", noise={"timer": ("cnt",)})
@description("imx.epit", version_id=3, minimum_version_id=3)
class ImxEpit(VMState):
    """Registers, the frequency in Hz, and the two timers."""

    cr: int = uint32()
    sr: int = uint32()
    lr: int = uint32()
    cmp: int = uint32()
    cnt: int | None = host()
    freq: int | None = host()
    timer_reload: Ptimer = struct(Ptimer, version=1)
    timer_cmp: Ptimer = struct(Ptimer, version=1)


IMX_EPIT_7_2 = variant(ImxEpit, None, 2, cnt=uint32(), freq=uint32())
"""Up to 7.2 at least."""


# The network card of NXP's i.MX (FEC and ENET), and its PHY (hw/net/imx_fec.c).

ADDRESSES = secret("contents", 57, 2)
"""The registers PALR and PAUR: the MAC address."""


@description("imx.fec/txdescs", version_id=1, minimum_version_id=1)
class ImxFecTxdescs(VMState):
    """Where the second and third queues to be sent stand; sent by a card with three."""

    tx_descriptor_1: int = uint32(name="tx_descriptor[1]")
    tx_descriptor_2: int = uint32(name="tx_descriptor[2]")


@device("imx.fec")
@description("imx.fec", version_id=3, minimum_version_id=3)
class ImxFec(VMState):
    """Registers of the card and of the PHY, and where its descriptors are in memory."""

    regs: list[int] = array(uint32, 400, private=ADDRESSES)
    rx_descriptor: int = uint32()
    tx_descriptor_0: int = uint32(name="tx_descriptor[0]")
    phy_status: int | None = host()
    phy_control: int | None = host()
    phy_advertise: int | None = host()
    phy_int: int | None = host()
    phy_int_mask: int | None = host()
    txdescs: ImxFecTxdescs | None = subsection(ImxFecTxdescs)


IMX_FEC_7_2 = variant(
    ImxFec,
    None,
    2,
    phy_status=uint32(),
    phy_control=uint32(),
    phy_advertise=uint32(),
    phy_int=uint32(),
    phy_int_mask=uint32(),
)
"""Up to 7.2 at least."""


# The general power controller of NXP's i.MX 7 (hw/intc/imx_gpcv2.c).


@device("imx-gpcv2")
@description("imx-gpcv2", version_id=1, minimum_version_id=1)
class ImxGpcv2(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 896)


# General-purpose lines of NXP's i.MX (hw/gpio/imx_gpio.c).


@device("imx.gpio")
@description("imx.gpio", version_id=1, minimum_version_id=1)
class ImxGpio(VMState):
    """General-purpose lines of NXP's i.MX."""

    dr: int = uint32()
    gdir: int = uint32()
    psr: int = uint32()
    icr: int = uint64()
    imr: int = uint32()
    isr: int = uint32()
    has_edge_sel: bool = boolean()
    edge_sel: int = uint32()


# The general-purpose timer of NXP's i.MX (GPT) (hw/timer/imx_gpt.c).


@device(
    "imx25.gpt",
    noise={
        "timer": (
            "cnt",
            "next_timeout",
        )
    },
)
@description("imx25.gpt", version_id=3, minimum_version_id=3)
class Imx25Gpt(VMState):
    """Registers, the next event, the frequency in Hz, and the timer."""

    cr: int = uint32()
    pr: int = uint32()
    sr: int = uint32()
    ir: int = uint32()
    ocr1: int = uint32()
    ocr2: int = uint32()
    ocr3: int = uint32()
    icr1: int = uint32()
    icr2: int = uint32()
    cnt: int = uint32()
    next_timeout: int = uint32()
    next_int: int = uint32()
    freq: int = uint32()
    timer_: Ptimer = struct(Ptimer, name="timer", version=1)


# The I2C controller of NXP's i.MX (hw/i2c/imx_i2c.c).


@device("imx.i2c")
@description("imx.i2c", version_id=1, minimum_version_id=1)
class ImxI2c(VMState):
    """Registers: addresses, clock, control, status, data."""

    address: int = uint16()
    iadr: int = uint16()
    ifdr: int = uint16()
    i2cr: int = uint16()
    i2sr: int = uint16()
    i2dr_read: int = uint16()
    i2dr_write: int = uint16()


# The random numbers of NXP's i.MX (RNGC) (hw/misc/imx_rngc.c).


@device("i.MX RNGC")
@description("i.MX RNGC", version_id=1, minimum_version_id=1)
class IMXRNGC(VMState):
    """What is under way, and registers."""

    op_self_test: int = uint8()
    op_seed: int = uint8()
    mask: int = uint8()
    auto_seed: bool = boolean()


# A serial port of NXP's i.MX (hw/char/imx_serial.c).


@device("imx.serial", noise={"timer": ("ageing_timer",)})
@description("imx.serial", version_id=4, minimum_version_id=4)
class ImxSerial(VMState):
    """The bytes received, the timer of their age, and registers."""

    readbuff: int | None = host()
    rx_fifo_fifo: Fifo8 = struct(Fifo8, name="rx_fifo.fifo")
    ageing_timer: int = timer()
    usr1: int = uint32()
    usr2: int = uint32()
    ucr1: int = uint32()
    ucr2: int | None = uint32()
    uts1: int = uint32()
    onems: int = uint32()
    ufcr: int = uint32()
    ubmr: int = uint32()
    ubrc: int = uint32()
    ucr3: int = uint32()
    ucr4: int = uint32()


IMX_SERIAL_10_2 = variant(ImxSerial, None, 3, ucr2=None)
"""Up to 10.2 at least."""

IMX_SERIAL_7_2 = variant(IMX_SERIAL_10_2, None, 2, readbuff=int32(), rx_fifo_fifo=None, ageing_timer=None)
"""Up to 7.2 at least."""


# An SPI controller of NXP's i.MX (eCSPI) (hw/ssi/imx_spi.c).


@device("imx.spi")
@description("imx.spi", version_id=1, minimum_version_id=1)
class ImxSpi(VMState):
    """Words to be sent and received, how many are left, and registers."""

    tx_fifo_fifo: Fifo8 = struct(Fifo8, name="tx_fifo.fifo")
    rx_fifo_fifo: Fifo8 = struct(Fifo8, name="rx_fifo.fifo")
    burst_length: int = int16()
    regs: list[int] = array(uint32, 17)


# The PHY of USB in NXP's i.MX (hw/usb/imx-usb-phy.c).


@device("imx.usbphy")
@description("imx.usbphy", version_id=1, minimum_version_id=1)
class ImxUsbphy(VMState):
    """Registers."""

    usbphy: list[int] = array(uint32, 33)


# The watchdog of NXP's i.MX (hw/watchdog/wdt_imx2.c).


@device("imx2.wdt")
@description("imx2.wdt")
class Imx2Wdt(VMState):
    """Registers, and which of them are locked.

    Its two timers are fields of version 1 of a description whose version is 0: QEMU sends them never.
    """

    wicr_locked: bool = boolean()
    wcr_locked: bool = boolean()
    wcr_wde_locked: bool = boolean()
    wcr_wdt_locked: bool = boolean()
    wcr: int = uint16()
    wsr: int = uint16()
    wrsr: int = uint16()
    wmcr: int = uint16()
    wicr: int = uint16()
