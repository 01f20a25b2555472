"""The system registers of Microsemi's SmartFusion2.

Facts from QEMU's hw/misc/msf2-sysreg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("msf2-sysreg")
@description("msf2-sysreg", version_id=1, minimum_version_id=1)
class Msf2Sysreg(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 192)
