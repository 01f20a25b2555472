"""The time-of-day clock of an s390 machine.

Facts from QEMU's hw/s390x/tod.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, this, uint8, uint64


@device("todclock", old_style=True, listed=False, noise={"timer": ("high", "low")})
@description("todclock", version_id=1)
class TODClock(VMState):
    """Whether the clock could be read, and then its value: the epoch index, and units of 2^-12 microseconds."""

    present: int = uint8()
    high: int | None = uint8(exists=this.present != 0)
    low: int | None = uint64(exists=this.present != 0)
