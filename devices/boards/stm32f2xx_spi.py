"""The SPI controller of ST's STM32F2.

Facts from QEMU's hw/ssi/stm32f2xx_spi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("stm32f2xx-spi")
@description("stm32f2xx-spi", version_id=1, minimum_version_id=1)
class Stm32f2xxSpi(VMState):
    """Registers."""

    spi_cr1: int = uint32()
    spi_cr2: int = uint32()
    spi_sr: int = uint32()
    spi_dr: int = uint32()
    spi_crcpr: int = uint32()
    spi_rxcrcr: int = uint32()
    spi_txcrcr: int = uint32()
    spi_i2scfgr: int = uint32()
    spi_i2spr: int = uint32()
