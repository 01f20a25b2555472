"""Arm's subsystem for embedded (IoTKit, SSE-200, SSE-300): what is of the whole.

Facts from QEMU's hw/arm/armsse.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32, variant
from vmstate.devices.core.clock import Clock


@device("iotkit")
@description("iotkit", version_id=2, minimum_version_id=2)
class Iotkit(VMState):
    """The clocks, and which masters are not secure."""

    mainclk: Clock | None = struct(Clock)
    s32kclk: Clock | None = struct(Clock)
    nsccfg: int = uint32()


IOTKIT_5_2 = variant(Iotkit, None, 1, mainclk=None, s32kclk=None)
"""Of 5.2."""
