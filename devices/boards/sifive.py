"""Devices of SiFive's.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, host, struct, timer, uint8, uint32, uint64, variant
from vmstate.devices.core.fifo8 import Fifo8

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
