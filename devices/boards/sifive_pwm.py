"""The pulse width modulator of SiFive's SoCs.

Facts from QEMU's hw/timer/sifive_pwm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, timer, uint32, uint64


@device("sifive-pwm", noise={"timer": ("timer",)})
@description("sifive-pwm", version_id=1, minimum_version_id=1)
class SifivePwm(VMState):
    """The timers, when counting began, configuration and comparators."""

    timer_: list[int] = array(timer, 4, name="timer")
    tick_offset: int = uint64()
    pwmcfg: int = uint32()
    pwmcmp: list[int] = array(uint32, 4)
