"""The system counter of Arm's SSE-300.

Facts from QEMU's hw/timer/sse-counter.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.core.clock import Clock


@device("sse-counter")
@description("sse-counter", version_id=1, minimum_version_id=1)
class SseCounter(VMState):
    """Its clock."""

    clk: Clock = struct(Clock)
