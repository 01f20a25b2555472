"""Cadence's serial port, of Xilinx's SoCs.

Facts from QEMU's hw/char/cadence_uart.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, timer, uint8, uint32
from vmstate.devices.core.clock import Clock


@device("cadence_uart", noise={"timer": ("fifo_trigger_handle",)})
@description("cadence_uart", version_id=3, minimum_version_id=2)
class CadenceUart(VMState):
    """Registers, and the bytes to be sent and received."""

    r: list[int] = array(uint32, 18)
    rx_fifo: list[int] = array(uint8, 16)
    tx_fifo: list[int] = array(uint8, 16)
    rx_count: int = uint32()
    tx_count: int = uint32()
    rx_wpos: int = uint32()
    fifo_trigger_handle: int = timer()
    refclk: Clock = struct(Clock, version=3)
