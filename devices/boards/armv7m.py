"""A processor of Arm's M profile with what surrounds it.

Facts from QEMU's hw/arm/armv7m.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.core.clock import Clock


@device("armv7m")
@description("armv7m", version_id=1, minimum_version_id=1)
class Armv7m(VMState):
    """Its two clocks."""

    refclk: Clock = struct(Clock)
    cpuclk: Clock = struct(Clock)
