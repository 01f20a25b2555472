"""The system registers of Nuvoton's NPCM7xx and NPCM8xx.

Facts from QEMU's hw/misc/npcm_gcr.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("npcm-gcr")
@description("npcm-gcr", version_id=2, minimum_version_id=2)
class NpcmGcr(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 992)
