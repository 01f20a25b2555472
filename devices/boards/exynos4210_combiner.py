"""The interrupt combiner of Samsung's Exynos 4210.

Facts from QEMU's hw/intc/exynos4210_combiner.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint32


@description("exynos4210.combiner.groupstate", version_id=1, minimum_version_id=1)
class Exynos4210CombinerGroupstate(VMState):
    """A group of interrupts: which are masked and pending."""

    src_mask: int = uint8()
    src_pending: int = uint8()


@device("exynos4210.combiner")
@description("exynos4210.combiner", version_id=1, minimum_version_id=1)
class Exynos4210Combiner(VMState):
    """The groups, and registers."""

    group: list[Exynos4210CombinerGroupstate] = array(Exynos4210CombinerGroupstate, 64)
    reg_set: list[int] = array(uint32, 65)
    icipsr: list[int] = array(uint32, 2)
    external: int = uint32()
