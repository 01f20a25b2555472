"""The timers and the watchdog of Nuvoton's NPCM7xx.

Facts from QEMU's hw/timer/npcm7xx_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int64, part, struct, timer, uint32, variant
from vmstate.devices.core.clock import Clock


@part(
    noise={
        "timer": (
            "qtimer",
            "expires_ns",
            "remaining_ns",
        )
    }
)
@description("npcm7xx-base-timer")
class Npcm7xxBaseTimer(VMState):
    """What timers and watchdog have: when it fires, and what is left, in ns."""

    qtimer: int = timer()
    expires_ns: int = int64()
    remaining_ns: int = int64()


@description("npcm7xx-timer", version_id=1, minimum_version_id=1)
class Npcm7xxTimer(VMState):
    """A timer."""

    base_timer: Npcm7xxBaseTimer = struct(Npcm7xxBaseTimer)
    tcsr: int = uint32()
    ticr: int = uint32()


@description("npcm7xx-watchdog-timer")
class Npcm7xxWatchdogTimer(VMState):
    """The watchdog."""

    base_timer: Npcm7xxBaseTimer = struct(Npcm7xxBaseTimer)
    wtcr: int = uint32()


@device("npcm7xx-timer-ctrl")
@description("npcm7xx-timer-ctrl", version_id=2, minimum_version_id=2)
class Npcm7xxTimerCtrl(VMState):
    """The clock, the timers, the watchdog, and which interrupt."""

    tisr: int = uint32()
    clock: Clock | None = struct(Clock)
    timer_: list[Npcm7xxTimer] = array(Npcm7xxTimer, 5, name="timer")
    watchdog_timer: Npcm7xxWatchdogTimer = struct(Npcm7xxWatchdogTimer)


NPCM7XX_TIMER_CTRL_5_2 = variant(Npcm7xxTimerCtrl, None, 1, clock=None)
"""Of 5.2."""
