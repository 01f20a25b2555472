"""The serial port of OpenTitan's Ibex.

Facts from QEMU's hw/char/ibex_uart.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, timer, uint8, uint32, uint64


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
