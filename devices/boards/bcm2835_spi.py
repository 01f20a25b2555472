"""The SPI controller of Broadcom's BCM2835.

Facts from QEMU's hw/ssi/bcm2835_spi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("bcm2835-spi")
@description("bcm2835-spi", version_id=1, minimum_version_id=1)
class Bcm2835Spi(VMState):
    """Bytes to be sent and received, and registers."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    cs: int = uint32()
    clk: int = uint32()
    dlen: int = uint32()
    ltoh: int = uint32()
    dc: int = uint32()
