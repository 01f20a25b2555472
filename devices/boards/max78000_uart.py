"""The serial port of Analog Devices' MAX78000.

Facts from QEMU's hw/char/max78000_uart.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("max78000-uart")
@description("max78000-uart", version_id=1, minimum_version_id=1)
class Max78000Uart(VMState):
    """Registers, and the bytes received."""

    ctrl: int = uint32()
    status: int = uint32()
    int_en: int = uint32()
    int_fl: int = uint32()
    clkdiv: int = uint32()
    osr: int = uint32()
    txpeek: int = uint32()
    pnr: int = uint32()
    fifo: int = uint32()
    dma: int = uint32()
    wken: int = uint32()
    wkfl: int = uint32()
    rx_fifo: Fifo8 = struct(Fifo8)
