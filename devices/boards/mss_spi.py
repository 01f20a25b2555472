"""The SPI controller of Microsemi's SmartFusion2.

Facts from QEMU's hw/ssi/mss-spi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("mss-spi")
@description("mss-spi", version_id=1, minimum_version_id=1)
class MssSpi(VMState):
    """Words to be sent and received, and registers."""

    tx_fifo_fifo: Fifo8 = struct(Fifo8, name="tx_fifo.fifo")
    rx_fifo_fifo: Fifo8 = struct(Fifo8, name="rx_fifo.fifo")
    regs: list[int] = array(uint32, 16)
