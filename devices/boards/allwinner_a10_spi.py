"""The SPI controller of Allwinner's A10.

Facts from QEMU's hw/ssi/allwinner-a10-spi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("allwinner.spi")
@description("allwinner.spi", version_id=1, minimum_version_id=1)
class AllwinnerSpi(VMState):
    """Bytes to be sent and received, and registers."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 1024)
