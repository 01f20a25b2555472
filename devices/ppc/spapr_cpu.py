"""What a `pseries` machine keeps for each of its processors.

Facts from QEMU's hw/ppc/spapr_cpu_core.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, subsection, uint64


@description("spapr_cpu/vpa/slb_shadow", version_id=1, minimum_version_id=1)
class SLBShadow(VMState):
    """Where in guest memory the copy of the segment lookaside buffer is; sent where there is one."""

    slb_shadow_addr: int = uint64()
    slb_shadow_size: int = uint64()


@description("spapr_cpu/vpa/dtl", version_id=1, minimum_version_id=1)
class DispatchTraceLog(VMState):
    """Where in guest memory the log of dispatches is; sent where there is one."""

    dtl_addr: int = uint64()
    dtl_size: int = uint64()


@description("spapr_cpu/vpa", version_id=1, minimum_version_id=1)
class VirtualProcessorArea(VMState):
    """Where in guest memory the area of the processor is; sent where the guest has registered one."""

    vpa_addr: int = uint64()
    slb_shadow: SLBShadow | None = subsection(SLBShadow)
    dtl: DispatchTraceLog | None = subsection(DispatchTraceLog)


@device("spapr_cpu", listed=False, per_cpu=True)
@description("spapr_cpu", version_id=1, minimum_version_id=1)
class SpaprCpu(VMState):
    """What the guest has registered."""

    vpa: VirtualProcessorArea | None = subsection(VirtualProcessorArea)
