"""The system control of Allwinner's H3.

Facts from QEMU's hw/misc/allwinner-h3-sysctrl.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-h3-sysctrl")
@description("allwinner-h3-sysctrl", version_id=1, minimum_version_id=1)
class AllwinnerH3Sysctrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 13)
