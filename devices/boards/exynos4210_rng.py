"""A controller of Samsung's Exynos 4210: exynos4210.rng.

Facts from QEMU's hw/misc/exynos4210_rng.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, uint32


@device("exynos4210.rng")
@description("exynos4210.rng", version_id=1, minimum_version_id=1)
class Exynos4210Rng(VMState):
    """A controller of Samsung's Exynos 4210."""

    randr_value: list[int] = array(int32, 5)
    seed_set: int = uint32()
    reg_status: int = uint32()
    reg_control: int = uint32()
