"""The translation tables of a `pseries` machine's devices.

Facts from QEMU's hw/ppc/spapr_iommu.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    boolean,
    description,
    device,
    subsection,
    this,
    uint32,
    uint32_equal,
    uint64,
    varray,
)


@description("spapr_iommu_ex", version_id=1, minimum_version_id=1)
class TableEx(VMState):
    """Where its window begins and how large its pages are; sent where these are not as usual."""

    bus_offset: int = uint64()
    page_shift: int = uint32()


@device("spapr_iommu", listed=False)
@description("spapr_iommu", version_id=3, minimum_version_id=2)
class Table(VMState):
    """A table: `liobn` is its number, and the instance_id of its section."""

    liobn: int = uint32_equal()
    mig_nb_table: int = uint32()
    bypass: bool = boolean()
    mig_table: list[int] = varray(uint64, count=this.mig_nb_table)
    def_win: bool | None = boolean(version=3)
    ex: TableEx | None = subsection(TableEx)
