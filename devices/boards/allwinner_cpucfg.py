"""The processor configuration of Allwinner's H3: which core runs, and from where.

Facts from QEMU's hw/misc/allwinner-cpucfg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("allwinner-cpucfg")
@description("allwinner-cpucfg", version_id=1, minimum_version_id=1)
class AllwinnerCpucfg(VMState):
    """General control, standby, and the address at which cores start."""

    gen_ctrl: int = uint32()
    super_standby: int = uint32()
    entry_addr: int = uint32()
