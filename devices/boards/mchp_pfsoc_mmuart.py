"""The part of the serial port of Microchip's PolarFire SoC that is its own.

Facts from QEMU's hw/char/mchp_pfsoc_mmuart.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("mchp.pfsoc.uart")
@description("mchp.pfsoc.uart")
class MchpPfSoCMMUart(VMState):
    """Registers beside those of a 16550A."""

    reg: list[int] = array(uint32, 13)
