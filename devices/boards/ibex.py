"""Devices of OpenTitan's Ibex.

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
