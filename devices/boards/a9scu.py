"""The snoop control unit of Arm's Cortex-A9.

Facts from QEMU's hw/misc/a9scu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("a9-scu")
@description("a9-scu", version_id=1, minimum_version_id=1)
class A9Scu(VMState):
    """Control, and the power status of the processors."""

    control: int = uint32()
    status: int = uint32()
