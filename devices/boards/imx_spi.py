"""An SPI controller of NXP's i.MX (eCSPI).

Facts from QEMU's hw/ssi/imx_spi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int16, struct, uint32
from vmstate.devices.core.fifo8 import Fifo8


@device("imx.spi")
@description("imx.spi", version_id=1, minimum_version_id=1)
class ImxSpi(VMState):
    """Words to be sent and received, how many are left, and registers."""

    tx_fifo_fifo: Fifo8 = struct(Fifo8, name="tx_fifo.fifo")
    rx_fifo_fifo: Fifo8 = struct(Fifo8, name="rx_fifo.fifo")
    burst_length: int = int16()
    regs: list[int] = array(uint32, 17)
