"""The serial port of SiFive's SoCs.

Facts from QEMU's hw/char/sifive_uart.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, host, struct, timer, uint8, uint32, variant
from vmstate.devices.core.fifo8 import Fifo8


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
