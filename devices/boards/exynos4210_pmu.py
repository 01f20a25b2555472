"""The power management of Samsung's Exynos 4210.

Facts from QEMU's hw/misc/exynos4210_pmu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("exynos4210.pmu")
@description("exynos4210.pmu", version_id=1, minimum_version_id=1)
class Exynos4210Pmu(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 144)
