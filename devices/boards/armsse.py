"""A part of the board of Arm's SSE: iotkit.

Facts from QEMU's hw/arm/armsse.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32, variant
from vmstate.devices.core.clock import Clock


@device("iotkit")
@description("iotkit", version_id=2, minimum_version_id=2)
class Iotkit(VMState):
    """A part of the board of Arm's SSE."""

    mainclk: Clock | None = struct(Clock)
    s32kclk: Clock | None = struct(Clock)
    nsccfg: int = uint32()


IOTKIT_5_2 = variant(Iotkit, None, 1, mainclk=None, s32kclk=None)
"""Of 5.2."""
