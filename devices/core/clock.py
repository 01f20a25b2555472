"""A clock of the clock tree, as devices carry it.

Facts from QEMU's hw/core/clock-vmstate.c.
"""

from __future__ import annotations

from vmstate.declare import Release, VMState, description, known_since, subsection, this, uint32, uint64


@description(
    "clock/muldiv",
    version_id=1,
    minimum_version_id=1,
    needed=(this.multiplier != 1) | (this.divider != 1),
    rules=(known_since(Release(6, 2)),),
)
class Muldiv(VMState):
    """Multiplier and divider; sent where either is not 1."""

    multiplier: int = uint32()
    divider: int = uint32()


@description("clock")
class Clock(VMState):
    """The period, in units of 2^-32 nanoseconds."""

    period: int = uint64()
    muldiv: Muldiv | None = subsection(Muldiv)
