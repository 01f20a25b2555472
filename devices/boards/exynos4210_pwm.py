"""The timers of Samsung's Exynos 4210, which also modulate pulse widths.

Facts from QEMU's hw/timer/exynos4210_pwm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@description("exynos4210.pwm.pwm", version_id=1, minimum_version_id=1)
class Exynos4210PwmPwm(VMState):
    """A timer: its number, frequency in Hz, count and comparator."""

    id: int = uint32()
    freq: int = uint32()
    ptimer: Ptimer = struct(Ptimer, version=1)
    reg_tcntb: int = uint32()
    reg_tcmpb: int = uint32()


@device("exynos4210.pwm")
@description("exynos4210.pwm", version_id=1, minimum_version_id=1)
class Exynos4210Pwm(VMState):
    """Configuration, and the timers."""

    reg_tcfg: list[int] = array(uint32, 2)
    reg_tcon: int = uint32()
    reg_tint_cstat: int = uint32()
    timer_: list[Exynos4210PwmPwm] = array(Exynos4210PwmPwm, 5, name="timer")
