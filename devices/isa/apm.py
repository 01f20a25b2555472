"""The advanced-power-management port of a chipset.

Facts from QEMU's hw/isa/apm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, uint8


@description("APM State", version_id=1, minimum_version_id=1)
class APM(VMState):
    """The control and status ports."""

    apmc: int = uint8()
    apms: int = uint8()
