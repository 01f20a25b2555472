"""The clock controller of Nuvoton's NPCM7xx, up to 9.2.

Facts from QEMU's hw/misc/npcm7xx_clk.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int64, struct, uint32, variant
from vmstate.devices.core.clock import Clock


@device("npcm7xx-clk")
@description("npcm7xx-clk", version_id=1, minimum_version_id=1)
class Npcm7xxClk(VMState):
    """Registers, the time of the last reset in ns, and the clock it has."""

    regs: list[int] = array(uint32, 28)
    ref_ns: int = int64()
    clkref: Clock | None = struct(Clock)


NPCM7XX_CLK_5_2 = variant(Npcm7xxClk, None, 0, clkref=None)
"""Of 5.2."""
