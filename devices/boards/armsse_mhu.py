"""A controller of Arm's SSE: armsse-mhu.

Facts from QEMU's hw/misc/armsse-mhu.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("armsse-mhu")
@description("armsse-mhu", version_id=1, minimum_version_id=1)
class ArmsseMhu(VMState):
    """A controller of Arm's SSE."""

    cpu0intr: int = uint32()
    cpu1intr: int = uint32()
