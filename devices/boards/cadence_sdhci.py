"""The part of Cadence's controller of SD cards that is its own, of Microchip's PolarFire SoC.

Facts from QEMU's hw/sd/cadence_sdhci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("cadence.sdhci")
@description("cadence.sdhci", version_id=1)
class CadenceSDHCI(VMState):
    """Registers beside those of every SD host."""

    regs: list[int] = array(uint32, 64)
