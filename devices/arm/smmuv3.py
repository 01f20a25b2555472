"""The Arm system memory management unit, version 3.

Facts from QEMU's hw/arm/smmuv3.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    description,
    device,
    known_since,
    struct,
    subsection,
    uint8,
    uint32,
    uint64,
)


@description("smmuv3_queue", version_id=1, minimum_version_id=1)
class SMMUQueue(VMState):
    """A queue in guest memory."""

    base: int = uint64()
    prod: int = uint32()
    cons: int = uint32()
    log2size: int = uint8()


@description("smmuv3/gbpa", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 0)),))
class SMMUv3Gbpa(VMState):
    """What becomes of transactions while the unit is off; sent where it is not as reset makes it."""

    gbpa: int = uint32()


@device("smmuv3")
@description("smmuv3", version_id=1, minimum_version_id=1)
class SMMUv3(VMState):
    """Registers and queues."""

    features: int = uint32()
    sid_size: int = uint8()
    sid_split: int = uint8()
    cr: list[int] = array(uint32, 3)
    cr0ack: int = uint32()
    statusr: int = uint32()
    irq_ctrl: int = uint32()
    gerror: int = uint32()
    gerrorn: int = uint32()
    gerror_irq_cfg0: int = uint64()
    gerror_irq_cfg1: int = uint32()
    gerror_irq_cfg2: int = uint32()
    strtab_base: int = uint64()
    strtab_base_cfg: int = uint32()
    eventq_irq_cfg0: int = uint64()
    eventq_irq_cfg1: int = uint32()
    eventq_irq_cfg2: int = uint32()
    cmdq: SMMUQueue = struct(SMMUQueue)
    eventq: SMMUQueue = struct(SMMUQueue)
    gbpa: SMMUv3Gbpa | None = subsection(SMMUv3Gbpa)
