"""A part of the board of Arm's SSE: iotkit.

Facts from QEMU's hw/arm/armsse.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32
from vmstate.devices.core.clock import Clock


@device("iotkit")
@description("iotkit", version_id=2, minimum_version_id=2)
class Iotkit(VMState):
    """A part of the board of Arm's SSE."""

    mainclk: Clock = struct(Clock)
    s32kclk: Clock = struct(Clock)
    nsccfg: int = uint32()
