"""The message handling unit between the processors of Arm's SSE-200.

Facts from QEMU's hw/misc/armsse-mhu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("armsse-mhu")
@description("armsse-mhu", version_id=1, minimum_version_id=1)
class ArmsseMhu(VMState):
    """Interrupts that one gives the other."""

    cpu0intr: int = uint32()
    cpu1intr: int = uint32()
