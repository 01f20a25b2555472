"""The system timer of Arm's M profile (SysTick).

Facts from QEMU's hw/timer/armv7m_systick.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int64, struct, uint32, variant
from vmstate.devices.core.clock import Clock
from vmstate.devices.core.ptimer import Ptimer


@device("armv7m_systick", noise={"timer": ("tick",)})
@description("armv7m_systick", version_id=3, minimum_version_id=3)
class Armv7mSystick(VMState):
    """Clocks, control, and the timer."""

    refclk: Clock | None = struct(Clock)
    cpuclk: Clock | None = struct(Clock)
    control: int = uint32()
    tick: int = int64()
    ptimer: Ptimer = struct(Ptimer, version=1)


ARMV7M_SYSTICK_5_2 = variant(Armv7mSystick, None, 2, refclk=None, cpuclk=None)
"""Of 5.2."""
