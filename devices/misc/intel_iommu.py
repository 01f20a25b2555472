"""The Intel IOMMU (VT-d).

Facts from QEMU's hw/i386/intel_iommu.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    MigrationPriority,
    VMState,
    array,
    boolean,
    description,
    device,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
)


@device("iommu-intel", models="vmstate.devices.misc.models:INTEL_IOMMU")
@description("iommu-intel", version_id=1, minimum_version_id=1, priority=MigrationPriority.IOMMU)
class IntelIOMMU(VMState):
    """Registers and the invalidation queue."""

    root_: int = uint64(name="root")
    intr_root: int = uint64()
    iq: int = uint64()
    intr_size: int = uint32()
    iq_head: int = uint16()
    iq_tail: int = uint16()
    iq_size: int = uint16()
    next_frcd_reg: int = uint16()
    csr: list[int] = array(uint8, 560, private=REGISTERS)
    iq_last_desc_type: int = uint8()
    unused_0: None = unused(1)
    dmar_enabled: bool = boolean()
    qi_enabled: bool = boolean()
    intr_enabled: bool = boolean()
    intr_eime: bool = boolean()
