"""The Arm generic interrupt controller, versions 3 and 4.

Facts from QEMU's hw/intc/arm_gicv3_common.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    Release,
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    known_since,
    part,
    subsection,
    uint8,
    uint32,
    uint64,
    varray,
)

NUM_CPU = fact("gicv3_cpus", range(1, 257), advice="start the destination with as many CPUs (-smp {value})")
"""Redistributors: one for each CPU."""


@description("arm_gicv3_cpu/virt", version_id=1, minimum_version_id=1)
class GICv3CPUVirt(VMState):
    """The virtualization extension; sent where the CPU has it."""

    ich_apr: list[list[int]] = array(uint64, 3, 4)
    ich_hcr_el2: int = uint64()
    ich_lr_el2: list[int] = array(uint64, 16)
    ich_vmcr_el2: int = uint64()


@description("arm_gicv3_cpu/sre_el1", version_id=1, minimum_version_id=1)
class GICv3CPUSre(VMState):
    """The enabling of system registers; sent where it is not what reset makes it."""

    icc_sre_el1: int = uint64()


@description("arm_gicv3_cpu/gicv4", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 1)),))
class GICv3CPUGICv4(VMState):
    """Tables of virtual interrupts (version 4)."""

    gicr_vpropbaser: int = uint64()
    gicr_vpendbaser: int = uint64()


@description("arm_gicv3_cpu/nmi", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class GICv3CPUNmi(VMState):
    """Private interrupts that cannot be masked."""

    gicr_inmir0: int = uint32()


@part(noise={"interrupt": ("level", "gicr_ipendr0", "gicr_iactiver0", "icc_apr"), "register": ("icc_pmr_el1",)})
@description("arm_gicv3_cpu", version_id=1, minimum_version_id=1)
class GICv3CPU(VMState):
    """A redistributor and the CPU's interface."""

    level: int = uint32()
    gicr_ctlr: int = uint32()
    gicr_statusr: list[int] = array(uint32, 2)
    gicr_waker: int = uint32()
    gicr_propbaser: int = uint64()
    gicr_pendbaser: int = uint64()
    gicr_igroupr0: int = uint32()
    gicr_ienabler0: int = uint32()
    gicr_ipendr0: int = uint32()
    gicr_iactiver0: int = uint32()
    edge_trigger: int = uint32()
    gicr_igrpmodr0: int = uint32()
    gicr_nsacr: int = uint32()
    gicr_ipriorityr: list[int] = array(uint8, 32, private=REGISTERS)
    icc_ctlr_el1: list[int] = array(uint64, 2)
    icc_pmr_el1: int = uint64()
    icc_bpr: list[int] = array(uint64, 3)
    icc_apr: list[list[int]] = array(uint64, 3, 4)
    icc_igrpen: list[int] = array(uint64, 3)
    icc_ctlr_el3: int = uint64()
    virt: GICv3CPUVirt | None = subsection(GICv3CPUVirt)
    sre_el1: GICv3CPUSre | None = subsection(GICv3CPUSre)
    gicv4: GICv3CPUGICv4 | None = subsection(GICv3CPUGICv4)
    nmi: GICv3CPUNmi | None = subsection(GICv3CPUNmi)


@description("arm_gicv3/gicd_no_migration_shift_bug", version_id=1, minimum_version_id=1)
class GICv3NoShiftBug(VMState):
    """Says that the bitmaps are not shifted as those of KVM were up to 2.12."""

    gicd_no_migration_shift_bug: bool = boolean()


@description("arm_gicv3/gicd_nmi", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class GICv3Nmi(VMState):
    """Shared interrupts that cannot be masked."""

    nmi: list[int] = array(uint32, 32)


@device("arm_gicv3", target_endian="little", noise={"interrupt": ("pending", "active", "level")})
@description("arm_gicv3", version_id=1, minimum_version_id=1)
class GICv3(VMState):
    """The distributor and all redistributors."""

    gicd_ctlr: int = uint32()
    gicd_statusr: list[int] = array(uint32, 2)
    group: list[int] = array(uint32, 32)
    grpmod: list[int] = array(uint32, 32)
    enabled: list[int] = array(uint32, 32)
    pending: list[int] = array(uint32, 32)
    active: list[int] = array(uint32, 32)
    level: list[int] = array(uint32, 32)
    edge_trigger: list[int] = array(uint32, 32)
    gicd_ipriority: list[int] = array(uint8, 1020, private=REGISTERS)
    gicd_irouter: list[int] = array(uint64, 1020)
    gicd_nsacr: list[int] = array(uint32, 64)
    cpu: list[GICv3CPU] = varray(GICv3CPU, count=NUM_CPU)
    gicd_no_migration_shift_bug: GICv3NoShiftBug | None = subsection(GICv3NoShiftBug)
    gicd_nmi: GICv3Nmi | None = subsection(GICv3Nmi)
