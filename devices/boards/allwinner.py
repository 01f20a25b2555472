"""Devices of Allwinner's SoCs.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    array_of_pointer,
    description,
    device,
    struct,
    uint8,
    uint16,
    uint32,
    variant,
    vbuffer,
)
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.core.ptimer import Ptimer

# What Allwinner's AHCI controller has beside the usual one (hw/ide/ahci-allwinner.c).


@device("allwinner-ahci")
@description("allwinner-ahci", version_id=1, minimum_version_id=1)
class AllwinnerAhci(VMState):
    """Registers of the PHY and of DMA."""

    regs: list[int] = array(uint32, 32)


# The clock controller of Allwinner's A10 (hw/misc/allwinner-a10-ccm.c).


@device("allwinner-a10-ccm")
@description("allwinner-a10-ccm", version_id=1, minimum_version_id=1)
class AllwinnerA10Ccm(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 256)


# The memory controller of Allwinner's A10 (hw/misc/allwinner-a10-dramc.c).


@device("allwinner-a10-dramc")
@description("allwinner-a10-dramc", version_id=1, minimum_version_id=1)
class AllwinnerA10Dramc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 1024)


# The interrupt controller of Allwinner's A10 (hw/intc/allwinner-a10-pic.c).


@device("a10.pic")
@description("a10.pic", version_id=1, minimum_version_id=1)
class A10Pic(VMState):
    """What is pending, enabled and masked, and the vector."""

    vector: int = uint32()
    base_addr: int = uint32()
    protect: int = uint32()
    nmi: int = uint32()
    irq_pending: list[int] = array(uint32, 3)
    fiq_pending: list[int] = array(uint32, 3)
    enable: list[int] = array(uint32, 3)
    select: list[int] = array(uint32, 3)
    mask: list[int] = array(uint32, 3)


# The six timers, the 64-bit counter and the watchdog of Allwinner's A10 (hw/timer/allwinner-a10-pit.c).


@device("a10.pit", noise={"timer": ("count", "count_lo", "count_hi")})
@description("a10.pit", version_id=1, minimum_version_id=1)
class A10Pit(VMState):
    """Registers of the timers, of the counter and of the watchdog, and the timers themselves."""

    irq_enable: int = uint32()
    irq_status: int = uint32()
    control: list[int] = array(uint32, 6)
    interval: list[int] = array(uint32, 6)
    count: list[int] = array(uint32, 6)
    watch_dog_mode: int = uint32()
    watch_dog_control: int = uint32()
    count_lo: int = uint32()
    count_hi: int = uint32()
    count_ctl: int = uint32()
    timers: list[Ptimer | None] = array_of_pointer(Ptimer, 6, name="timer")


# The SPI controller of Allwinner's A10 (hw/ssi/allwinner-a10-spi.c).


@device("allwinner.spi")
@description("allwinner.spi", version_id=1, minimum_version_id=1)
class AllwinnerSpi(VMState):
    """Bytes to be sent and received, and registers."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 1024)


# The processor configuration of Allwinner's H3: which core runs, and from where (hw/misc/allwinner-cpucfg.c).


@device("allwinner-cpucfg")
@description("allwinner-cpucfg", version_id=1, minimum_version_id=1)
class AllwinnerCpucfg(VMState):
    """General control, standby, and the address at which cores start."""

    gen_ctrl: int = uint32()
    super_standby: int = uint32()
    entry_addr: int = uint32()


# The Fast Ethernet card of Allwinner's A10 and its PHY, a Realtek RTL8201CP (hw/net/allwinner_emac.c).

RX_FIFO = variant(Fifo8, data=vbuffer(32768))
TX_FIFO = variant(Fifo8, data=vbuffer(4096))


@description("rtl8201cp", version_id=1, minimum_version_id=1)
class RTL8201CP(VMState):
    """Registers of the PHY: control, status, what is advertised, and what the partner can do."""

    bmcr: int = uint16()
    bmsr: int = uint16()
    anar: int = uint16()
    anlpar: int = uint16()


@device("allwinner_emac")
@description("allwinner_emac", version_id=1, minimum_version_id=1)
class AwEmac(VMState):
    """PHY, registers, the packets received and the two channels that send."""

    mii: RTL8201CP = struct(RTL8201CP, version=1)
    ctl: int = uint32()
    tx_mode: int = uint32()
    rx_ctl: int = uint32()
    int_ctl: int = uint32()
    int_sta: int = uint32()
    phy_target: int = uint32()
    rx_fifo: Fifo8 = struct(RX_FIFO)
    rx_num_packets: int = uint32()
    rx_packet_size: int = uint32()
    rx_packet_pos: int = uint32()
    tx_fifo: list[Fifo8] = array(TX_FIFO, 2, version=1)
    tx_length: list[int] = array(uint32, 2)
    tx_channel: int = uint32()


# The clock controller of Allwinner's H3 (hw/misc/allwinner-h3-ccu.c).


@device("allwinner-h3-ccu")
@description("allwinner-h3-ccu", version_id=1, minimum_version_id=1)
class AllwinnerH3Ccu(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 256)


# The memory controller of Allwinner's H3 (hw/misc/allwinner-h3-dramc.c).


@device("allwinner-h3-dramc")
@description("allwinner-h3-dramc", version_id=1, minimum_version_id=1)
class AllwinnerH3Dramc(VMState):
    """Registers of its three parts: common, controller, PHY."""

    dramcom: list[int] = array(uint32, 513)
    dramctl: list[int] = array(uint32, 547)
    dramphy: list[int] = array(uint32, 1)


# The system control of Allwinner's H3 (hw/misc/allwinner-h3-sysctrl.c).


@device("allwinner-h3-sysctrl")
@description("allwinner-h3-sysctrl", version_id=1, minimum_version_id=1)
class AllwinnerH3Sysctrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 13)


# The I2C controller of Allwinner's SoCs (hw/i2c/allwinner-i2c.c).


@device("allwinner.i2c")
@description("allwinner.i2c", version_id=1, minimum_version_id=1)
class AllwinnerI2c(VMState):
    """Registers: address, data, control, status, clock."""

    addr: int = uint8()
    xaddr: int = uint8()
    data: int = uint8()
    cntr: int = uint8()
    ccr: int = uint8()
    srst: int = uint8()
    efr: int = uint8()
    lcr: int = uint8()


# The clock controller of Allwinner's R40 (hw/misc/allwinner-r40-ccu.c).


@device("allwinner-r40-ccu")
@description("allwinner-r40-ccu", version_id=1, minimum_version_id=1)
class AllwinnerR40Ccu(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 256)


# The memory controller of Allwinner's R40 (hw/misc/allwinner-r40-dramc.c).


@device("allwinner-r40-dramc")
@description("allwinner-r40-dramc", version_id=1, minimum_version_id=1)
class AllwinnerR40Dramc(VMState):
    """Registers of its three parts: common, controller, PHY."""

    dramcom: list[int] = array(uint32, 513)
    dramctl: list[int] = array(uint32, 547)
    dramphy: list[int] = array(uint32, 1)


# The real-time clock of Allwinner's SoCs (hw/rtc/allwinner-rtc.c).


@device("allwinner-rtc")
@description("allwinner-rtc", version_id=1, minimum_version_id=1)
class AllwinnerRtc(VMState):
    """Registers, some of them for whatever the guest keeps."""

    regs: list[int] = array(uint32, 128)


# The controller of SD cards of Allwinner's SoCs (hw/sd/allwinner-sdhost.c).


@device("allwinner-sdhost")
@description("allwinner-sdhost", version_id=1, minimum_version_id=1)
class AllwinnerSdhost(VMState):
    """Registers, the card's answer, and where DMA stands."""

    global_ctl: int = uint32()
    clock_ctl: int = uint32()
    timeout: int = uint32()
    bus_width: int = uint32()
    block_size: int = uint32()
    byte_count: int = uint32()
    transfer_cnt: int = uint32()
    command: int = uint32()
    command_arg: int = uint32()
    response: list[int] = array(uint32, 4, private=CONTENTS)
    irq_mask: int = uint32()
    irq_status: int = uint32()
    status: int = uint32()
    fifo_wlevel: int = uint32()
    fifo_func_sel: int = uint32()
    debug_enable: int = uint32()
    auto12_arg: int = uint32()
    newtiming_set: int = uint32()
    newtiming_debug: int = uint32()
    hardware_rst: int = uint32()
    dmac: int = uint32()
    desc_base: int = uint32()
    dmac_status: int = uint32()
    dmac_irq: int = uint32()
    card_threshold: int = uint32()
    startbit_detect: int = uint32()
    response_crc: int = uint32()
    data_crc: list[int] = array(uint32, 8)
    status_crc: int = uint32()
    sample_delay: int = uint32()


ALLWINNER_SDHOST_7_2 = variant(AllwinnerSdhost, sample_delay=None)
"""Up to 7.2 at least."""


# The security identifier of Allwinner's SoCs: fuses with the chip's own number (hw/misc/allwinner-sid.c).


@device("allwinner-sid")
@description("allwinner-sid", version_id=1, minimum_version_id=1)
class AllwinnerSid(VMState):
    """The key that unlocks reading, and the number."""

    control: int = uint32()
    rdkey: int = uint32()
    identifier_data: list[int] = array(uint8, 16, name="identifier.data")


# The controller of Allwinner's on-chip memory (hw/misc/allwinner-sramc.c).


@device("allwinner-sramc")
@description("allwinner-sramc", version_id=1, minimum_version_id=1)
class AllwinnerSramc(VMState):
    """Version, and the address at which the boot goes on."""

    sram_ver: int = uint32()
    sram_soft_entry_reg0: int = uint32()


# The Ethernet card of Allwinner's H3, R40 and kin, and its PHY (hw/net/allwinner-sun8i-emac.c).


@device("allwinner-sun8i-emac")
@description("allwinner-sun8i-emac", version_id=1, minimum_version_id=1)
class AllwinnerSun8iEmac(VMState):
    """Registers of the PHY and of the card, and where its descriptors are in memory."""

    mii_phy_addr: int = uint8()
    mii_cmd: int = uint32()
    mii_data: int = uint32()
    mii_cr: int = uint32()
    mii_st: int = uint32()
    mii_adv: int = uint32()
    basic_ctl0: int = uint32()
    basic_ctl1: int = uint32()
    int_en: int = uint32()
    int_sta: int = uint32()
    frm_flt: int = uint32()
    rx_ctl0: int = uint32()
    rx_ctl1: int = uint32()
    rx_desc_head: int = uint32()
    rx_desc_curr: int = uint32()
    tx_ctl0: int = uint32()
    tx_ctl1: int = uint32()
    tx_desc_head: int = uint32()
    tx_desc_curr: int = uint32()
    tx_flowctl: int = uint32()


# The watchdog of Allwinner's SoCs (hw/watchdog/allwinner-wdt.c).


@device("allwinner-wdt")
@description("allwinner-wdt", version_id=1, minimum_version_id=1)
class AllwinnerWdt(VMState):
    """The timer, and registers."""

    timer_: Ptimer = struct(Ptimer, name="timer", version=1)
    regs: list[int] = array(uint32, 5)
