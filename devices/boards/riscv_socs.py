"""Devices of RISC-V's SoCs: of SiFive, OpenTitan, Microchip, Kendryte and MIPS.

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
    fact,
    host,
    struct,
    timer,
    uint8,
    uint32,
    uint64,
    variant,
    varray,
    vbuffer,
)
from vmstate.devices.core.fifo8 import Fifo8

# The SPI controller of OpenTitan's Ibex (hw/ssi/ibex_spi_host.c).

CHIP_SELECTS = fact("ibex_spi_chip_selects", (1, 2, 3, 4, 8))
"""Devices that can be chosen: each has its own options."""

TX_FIFO = variant(Fifo8, data=vbuffer(288))
RX_FIFO = variant(Fifo8, data=vbuffer(256))


@device("ibex-spi", noise={"timer": ("fifo_trigger_handle",)})
@description("ibex-spi", version_id=1, minimum_version_id=1)
class IbexSPIHost(VMState):
    """Registers, the options of each device, and the bytes to be sent and received."""

    regs: list[int] = array(uint32, 14)
    config_opts: list[int] = varray(uint32, count=CHIP_SELECTS)
    rx_fifo: Fifo8 = struct(RX_FIFO)
    tx_fifo: Fifo8 = struct(TX_FIFO)
    fifo_trigger_handle: int = timer()
    init_status: bool = boolean()


# The timer of OpenTitan's Ibex (hw/timer/ibex_timer.c).


@device("ibex-timer")
@description("ibex-timer", version_id=2, minimum_version_id=2)
class IbexTimer(VMState):
    """Registers: control, what is compared with, and interrupts."""

    timer_ctrl: int = uint32()
    timer_cfg0: int = uint32()
    timer_compare_lower0: int = uint32()
    timer_compare_upper0: int = uint32()
    timer_intr_enable: int = uint32()
    timer_intr_state: int = uint32()


# The serial port of OpenTitan's Ibex (hw/char/ibex_uart.c).


@device("ibex-uart", noise={"timer": ("fifo_trigger_handle",)})
@description("ibex-uart", version_id=1, minimum_version_id=1)
class IbexUart(VMState):
    """Bytes to be sent, the time that a byte takes in ns, and registers."""

    tx_fifo: list[int] = array(uint8, 16, private=CONTENTS)
    tx_level: int = uint32()
    char_tx_time: int = uint64()
    fifo_trigger_handle: int = timer()
    uart_intr_state: int = uint32()
    uart_intr_enable: int = uint32()
    uart_ctrl: int = uint32()
    uart_status: int = uint32()
    uart_rdata: int = uint32()
    uart_fifo_ctrl: int = uint32()
    uart_fifo_status: int = uint32()
    uart_ovrd: int = uint32()
    uart_val: int = uint32()
    uart_timeout_ctrl: int = uint32()


# The watchdog of Kendryte's K230. Facts from the streams and the descriptions of QEMU 11.1.


@device("k230.wdt", noise={"counter": ("ccvr", "current_count")})
@description("k230.wdt")
class K230Wdt(VMState):
    """The registers; the timer is declared, in a version that is never sent."""

    cr: int = uint32()
    torr: int = uint32()
    ccvr: int = uint32()
    stat: int = uint32()
    prot_level: int = uint32()
    interrupt_pending: bool = boolean()
    enabled: bool = boolean()
    timeout_value: int = uint32()
    current_count: int = uint32()


# The part of the serial port of Microchip's PolarFire SoC that is its own (hw/char/mchp_pfsoc_mmuart.c).


@device("mchp.pfsoc.uart")
@description("mchp.pfsoc.uart")
class MchpPfSoCMMUart(VMState):
    """Registers beside those of a 16550A."""

    reg: list[int] = array(uint32, 13)


# The coherent processing system of MIPS' RISC-V processors: its registers and its power controller. Facts from the
# descriptions of QEMU 11.1.


@device("riscv-gcr")
@description("riscv-gcr")
class RiscvGcr(VMState):
    """Where the power controller is."""

    cpc_base: int = uint64()


@device("xmips-cpc")
@description("xmips-cpc")
class RiscvCpc(VMState):
    """Which harts run."""

    vps_running_mask: int = uint64()


# The general-purpose lines of SiFive's SoCs (hw/gpio/sifive_gpio.c).


@device("sifive_soc.gpio")
@description("sifive_soc.gpio", version_id=1, minimum_version_id=1)
class SifiveSocGpio(VMState):
    """General-purpose lines of SiFive's SoCs."""

    value: int = uint32()
    input_en: int = uint32()
    output_en: int = uint32()
    port: int = uint32()
    pue: int = uint32()
    rise_ie: int = uint32()
    rise_ip: int = uint32()
    fall_ie: int = uint32()
    fall_ip: int = uint32()
    high_ie: int = uint32()
    high_ip: int = uint32()
    low_ie: int = uint32()
    low_ip: int = uint32()
    iof_en: int = uint32()
    iof_sel: int = uint32()
    out_xor: int = uint32()
    in_: int = uint32(name="in")
    in_mask: int = uint32()


# The pulse width modulator of SiFive's SoCs (hw/timer/sifive_pwm.c).


@device("sifive-pwm", noise={"timer": ("timer",)})
@description("sifive-pwm", version_id=1, minimum_version_id=1)
class SifivePwm(VMState):
    """The timers, when counting began, configuration and comparators."""

    timer_: list[int] = array(timer, 4, name="timer")
    tick_offset: int = uint64()
    pwmcfg: int = uint32()
    pwmcmp: list[int] = array(uint32, 4)


# The serial port of SiFive's SoCs (hw/char/sifive_uart.c).


@device("riscv.sifive.uart", noise={"timer": ("fifo_trigger_handle",)})
@description("riscv.sifive.uart", version_id=3, minimum_version_id=3)
class RiscvSifiveUart(VMState):
    """The bytes to be sent and received, and registers."""

    rx_fifo: list[int] = array(uint8, 8)
    rx_fifo_len: int = uint8()
    ie: int = uint32()
    ip: int | None = host()
    txctrl: int = uint32()
    rxctrl: int = uint32()
    div: int = uint32()
    txfifo: int = uint32()
    tx_fifo: Fifo8 = struct(Fifo8)
    fifo_trigger_handle: int = timer()


RISCV_SIFIVE_UART_10_2 = variant(RiscvSifiveUart, None, 2, ip=uint32())
"""Up to 10.2 at least."""

RISCV_SIFIVE_UART_7_2 = variant(RISCV_SIFIVE_UART_10_2, None, 1, txfifo=None, tx_fifo=None, fifo_trigger_handle=None)
"""Up to 7.2 at least."""
