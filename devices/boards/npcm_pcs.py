"""The sublayer between card and PHY of Nuvoton's NPCM8xx (PCS).

Facts from QEMU's hw/net/npcm_pcs.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint16


@device("npcm-pcs")
@description("npcm-pcs")
class NpcmPcs(VMState):
    """Registers, behind a base address."""

    indirect_access_base: int = uint16()
    sr_ctl: list[int] = array(uint16, 9)
    sr_mii: list[int] = array(uint16, 16)
    sr_tim: list[int] = array(uint16, 17)
    vr_mii: list[int] = array(uint16, 227)
