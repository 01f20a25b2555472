"""The SPI controller of OpenTitan's Ibex.

Facts from QEMU's hw/ssi/ibex_spi_host.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    struct,
    timer,
    uint32,
    variant,
    varray,
    vbuffer,
)
from vmstate.devices.core.fifo8 import Fifo8

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
