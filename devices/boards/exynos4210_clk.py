"""The clock controller of Samsung's Exynos 4210.

Facts from QEMU's hw/misc/exynos4210_clk.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("exynos4210.clk")
@description("exynos4210.clk", version_id=1, minimum_version_id=1)
class Exynos4210Clk(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 12)
