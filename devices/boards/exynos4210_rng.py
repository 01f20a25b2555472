"""The random numbers of Samsung's Exynos 4210.

Facts from QEMU's hw/misc/exynos4210_rng.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, uint32


@device("exynos4210.rng")
@description("exynos4210.rng", version_id=1, minimum_version_id=1)
class Exynos4210Rng(VMState):
    """Numbers that were made, which seeds were set, status and control."""

    randr_value: list[int] = array(int32, 5, private=CONTENTS)
    seed_set: int = uint32()
    reg_status: int = uint32()
    reg_control: int = uint32()
