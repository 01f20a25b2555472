"""A timer of Canon's DIGIC.

Facts from QEMU's hw/timer/digic-timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device("digic.timer")
@description("digic.timer", version_id=1, minimum_version_id=1)
class DigicTimer(VMState):
    """The timer, its control and the value that it is loaded with."""

    ptimer: Ptimer = struct(Ptimer, version=1)
    control: int = uint32()
    relvalue: int = uint32()
