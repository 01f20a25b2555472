"""The serial port of Nordic's nRF51.

Facts from QEMU's hw/char/nrf51_uart.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint8, uint32


@device("nrf51_soc.uart")
@description("nrf51_soc.uart")
class Nrf51SocUart(VMState):
    """Registers, and the bytes received."""

    reg: list[int] = array(uint32, 1388)
    rx_fifo: list[int] = array(uint8, 6)
    rx_fifo_pos: int = uint32()
    rx_fifo_len: int = uint32()
    rx_started: bool = boolean()
    tx_started: bool = boolean()
    pending_tx_byte: bool = boolean()
    enabled: bool = boolean()
