"""A non-volatile memory module of pseries whose flushes are hypervisor calls: spapr-nvdimm.

Facts from QEMU's hw/ppc/spapr_nvdimm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, int64, qlist, uint32, uint64


@description("spapr_nvdimm_flush_state", version_id=1, minimum_version_id=1)
class FlushState(VMState):
    """A flush: the token that the guest asks after, its result, and of which module."""

    continue_token: int = uint64()
    hcall_ret: int = int64()
    drcidx: int = uint32()


@device("spapr_nvdimm_states", listed=False)
@description("spapr_nvdimm_states", version_id=1, minimum_version_id=1)
class SpaprNVDIMM(VMState):
    """Whether flushes are calls, the token given last, and the flushes."""

    hcall_flush_required: bool = boolean()
    nvdimm_flush_token: int = uint64()
    completed_nvdimm_flush_states: list[FlushState] = qlist(FlushState, version=1)
    pending_nvdimm_flush_states: list[FlushState] = qlist(FlushState, version=1)
